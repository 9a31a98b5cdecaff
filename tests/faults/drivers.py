"""The databases' own drivers, which tell of each call just before they make it: the moment for a fault.

And the faults that it can meet: made by the server where there is one, so that what is raised is the driver's own.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import Engine, event

Heed = Callable[[Any, str], None]
"""Called with the connection and the call: ``execute`` and the statement, ``fetch``, ``commit``, ``rollback``.

Before there is a connection, with None and ``connect`` and the engine's name; when a commit is done, and its caller
doesn't know yet, with ``committed``.
"""


@contextmanager
def watching(heed: Heed) -> Iterator[None]:
    """Let all connections that are made within tell of their calls."""

    def connect(dialect: Any, _record: object, arguments: Any, parameters: Any) -> Any:
        heed(None, f"connect {dialect.name}")
        if dialect.name == "sqlite":
            connection: Any = sqlite3.connect(*arguments, **parameters, factory=_SqliteConnection)
        else:
            own = {"connection_factory": _PostgresqlConnection, "cursor_factory": _PostgresqlCursor}
            connection = psycopg2.connect(*arguments, **parameters, **own)
        connection.heed = heed
        return connection

    event.listen(Engine, "do_connect", connect)
    yield
    event.remove(Engine, "do_connect", connect)


class _Connection:
    heed: Heed

    def commit(self) -> None:
        self.heed(self, "commit")
        super().commit()
        self.heed(self, "committed")

    def rollback(self) -> None:
        self.heed(self, "rollback")
        super().rollback()


class _Cursor:
    connection: Any

    def execute(self, statement: Any, *parameters: Any) -> Any:
        self.connection.heed(self.connection, f"execute {statement}")
        return super().execute(statement, *parameters)

    def executemany(self, statement: Any, parameters: Any) -> Any:
        self.connection.heed(self.connection, f"execute {statement}")
        return super().executemany(statement, parameters)

    def copy_expert(self, statement: Any, file: Any) -> Any:
        self.connection.heed(self.connection, f"execute {statement}")
        return super().copy_expert(statement, file)

    def fetchone(self) -> Any:
        self.connection.heed(self.connection, "fetch")
        return super().fetchone()

    def fetchmany(self, *size: int) -> Any:
        self.connection.heed(self.connection, "fetch")
        return super().fetchmany(*size)

    def fetchall(self) -> Any:
        self.connection.heed(self.connection, "fetch")
        return super().fetchall()


class _SqliteCursor(_Cursor, sqlite3.Cursor):
    pass


class _SqliteConnection(_Connection, sqlite3.Connection):
    def cursor(self, *_: Any) -> Any:
        return super().cursor(_SqliteCursor)


class _PostgresqlCursor(_Cursor, psycopg2.extensions.cursor):
    pass


class _PostgresqlConnection(_Connection, psycopg2.extensions.connection):
    pass


def disk_full(connection: Any, call: str) -> None:
    """Fail as a call does for which there is no room; going back needs none."""
    if call == "rollback":
        return
    if isinstance(connection, sqlite3.Connection):
        _fail(connection, sqlite3.SQLITE_FULL, "SQLITE_FULL")
    try:
        _plain(connection, "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$")
    finally:
        if call == "commit":
            psycopg2.extensions.connection.rollback(connection)  # a COMMIT that fails ends the transaction


def connection_lost(connection: Any, _call: str) -> None:
    """Let the call that follows fail because its connection is gone; SQLite, which has none, can't read its file."""
    if isinstance(connection, sqlite3.Connection):
        _fail(connection, sqlite3.SQLITE_IOERR_READ, "SQLITE_IOERR_READ")
    if not connection.closed:
        with closing(psycopg2.connect(connection.dsn)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.get_backend_pid()])


def unreachable(call: str) -> None:
    """Fail as this call, to connect, does where there is no database."""
    if call == "connect sqlite":
        sqlite3.connect("/dev/null/none")
    else:
        psycopg2.connect("host=127.0.0.1 port=1")


def _fail(connection: sqlite3.Connection, code: int, name: str) -> None:
    if connection.in_transaction:
        _plain(connection, "ROLLBACK")  # SQLite ends the transaction by itself
    error = sqlite3.OperationalError("what is said here may be anything")
    error.sqlite_errorcode, error.sqlite_errorname = code, name
    raise error


def _plain(connection: Any, statement: str) -> None:
    """Execute a statement that nobody is told of."""
    if isinstance(connection, sqlite3.Connection):
        sqlite3.Connection.cursor(connection).execute(statement)
    else:
        connection.cursor(cursor_factory=psycopg2.extensions.cursor).execute(statement)
