"""The database drivers, extended to announce each call just before they make it, so that a test can inject a fault.

And the faults. Where there is a server, it causes them, so that the exceptions are the driver's own.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

import psycopg2
import psycopg2.extensions
from sqlalchemy import Dialect, Engine, event

Connection = sqlite3.Connection | psycopg2.extensions.connection

Observer = Callable[[Connection | None, str], None]
"""Called with the connection and the call: ``execute`` and the statement, ``fetch``, ``commit``, ``rollback``.

Before a connection is made, called with None and ``connect`` and the engine's name; after a commit, before its caller
regains control, with ``committed``.
"""


@contextmanager
def watching(observer: Observer) -> Iterator[None]:
    """Announce the calls of all connections that are made in the block."""

    def connect(dialect: Dialect, _record: object, arguments: Any, parameters: Any) -> Connection:
        observer(None, f"connect {dialect.name}")
        connection: _SqliteConnection | _PostgresqlConnection
        if dialect.name == "sqlite":
            connection = sqlite3.connect(*arguments, **parameters, factory=_SqliteConnection)
        else:
            connection = psycopg2.connect(
                *arguments,
                **parameters,
                connection_factory=_PostgresqlConnection,
                cursor_factory=_PostgresqlCursor,
            )
        connection.observer = observer
        return connection

    event.listen(Engine, "do_connect", connect)
    yield
    event.remove(Engine, "do_connect", connect)


def _announce(cursor: "_SqliteCursor | _PostgresqlCursor", call: str) -> None:
    connection = cursor.connection
    assert isinstance(connection, _SqliteConnection | _PostgresqlConnection)
    connection.observer(connection, call)


class _SqliteCursor(sqlite3.Cursor):
    def execute(self, statement: str, parameters: Any = (), /) -> "_SqliteCursor":
        _announce(self, f"execute {statement}")
        return super().execute(statement, parameters)

    def executemany(self, statement: str, parameters: Any, /) -> "_SqliteCursor":
        _announce(self, f"execute {statement}")
        return super().executemany(statement, parameters)

    def fetchone(self) -> Any:
        _announce(self, "fetch")
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        _announce(self, "fetch")
        return super().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        _announce(self, "fetch")
        return super().fetchall()


class _SqliteConnection(sqlite3.Connection):
    observer: Observer

    def cursor(self, *_: object) -> Any:  # Any, because the method it overrides has two overloads
        return super().cursor(_SqliteCursor)

    def commit(self) -> None:
        self.observer(self, "commit")
        super().commit()
        self.observer(self, "committed")

    def rollback(self) -> None:
        self.observer(self, "rollback")
        super().rollback()


class _PostgresqlCursor(psycopg2.extensions.cursor):
    def execute(self, statement: Any, parameters: Any = None) -> None:
        _announce(self, f"execute {statement}")
        super().execute(statement, parameters)

    def executemany(self, statement: Any, parameters: Any) -> None:
        _announce(self, f"execute {statement}")
        super().executemany(statement, parameters)

    def copy_expert(self, statement: Any, file: Any, size: int = 8192) -> None:
        _announce(self, f"execute {statement}")
        super().copy_expert(statement, file, size)

    def fetchone(self) -> tuple[Any, ...] | None:
        _announce(self, "fetch")
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        _announce(self, "fetch")
        return super().fetchmany(size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        _announce(self, "fetch")
        return super().fetchall()


class _PostgresqlConnection(psycopg2.extensions.connection):
    observer: Observer

    def commit(self) -> None:
        self.observer(self, "commit")
        super().commit()
        self.observer(self, "committed")

    def rollback(self) -> None:
        self.observer(self, "rollback")
        super().rollback()


def disk_full(connection: Connection, call: str) -> None:
    """Make the call fail as on a full disk. A rollback needs no space, so it succeeds."""
    if call == "rollback":
        return
    if isinstance(connection, sqlite3.Connection):
        _fail(connection, sqlite3.SQLITE_FULL, "SQLITE_FULL")
    try:
        _execute_unannounced(connection, "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$")
    finally:
        if call == "commit":
            psycopg2.extensions.connection.rollback(connection)  # a failed COMMIT ends the transaction


def connection_lost(connection: Connection, _call: str) -> None:
    """Make the next call fail: PostgreSQL closes the connection; SQLite, which has none, can't read its file."""
    if isinstance(connection, sqlite3.Connection):
        _fail(connection, sqlite3.SQLITE_IOERR_READ, "SQLITE_IOERR_READ")
    if not connection.closed:
        with closing(psycopg2.connect(connection.dsn)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.get_backend_pid()])


def unreachable(call: str) -> None:
    """Make this call, which connects, fail as if there were no database."""
    if call == "connect sqlite":
        sqlite3.connect("/dev/null/none")
    else:
        psycopg2.connect("host=127.0.0.1 port=1")


def _fail(connection: sqlite3.Connection, code: int, name: str) -> NoReturn:
    if connection.in_transaction:
        _execute_unannounced(connection, "ROLLBACK")  # SQLite ends the transaction by itself
    error = sqlite3.OperationalError("any message: the application must rely on the code")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    raise error


def _execute_unannounced(connection: Connection, statement: str) -> None:
    if isinstance(connection, sqlite3.Connection):
        sqlite3.Connection.cursor(connection).execute(statement)
    else:
        connection.cursor(cursor_factory=psycopg2.extensions.cursor).execute(statement)
