"""SQLite: connections, errors, the file, and its way to do the operations of a sync, with temporary working tables."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    TableClause,
    Text,
    column,
    create_engine,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.pool import StaticPool
from typing_extensions import override

from paymentagg.adapters.sql import working_tables
from paymentagg.adapters.sql.engines.dialect import SyncDialect, without_indexes
from paymentagg.domain.batches import Columns
from paymentagg.domain.errors import PaymentAggError, StorageUnavailable, SyncInProgress

PATIENCE = 5.0
"""How many seconds a sync waits for another sync to end."""

TEMPORARY = make_url("sqlite:///file:?uri=true")
"""An empty database in a nameless temporary file, so that memory stays bounded (https://www.sqlite.org/inmemorydb.html)."""

FIRST_WITH_FULL_JOIN = (3, 39)
"""The first version of SQLite that has FULL OUTER JOIN."""

_PRAGMAS = (
    "journal_mode = WAL",  # readers don't wait for a sync
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "secure_delete = ON",  # overwrites deleted rows with zeros
)

_CHECKPOINT_PATIENCE = 0.1
"""How many seconds a checkpoint waits for readers to end."""


def connect(url: URL, *, read_only: bool) -> Engine:
    """Return an engine for an SQLite file.

    Raises:
        StorageUnavailable: the SQLite library is too old.
    """
    if sqlite3.sqlite_version_info < FIRST_WITH_FULL_JOIN:
        raise StorageUnavailable(f"SQLite 3.39 or newer is needed, and this Python has {sqlite3.sqlite_version}")
    engine = create_engine(
        url,
        connect_args={"timeout": PATIENCE},
        hide_parameters=True,
        poolclass=StaticPool if url == TEMPORARY else None,  # each connection would have an empty database of its own
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA query_only = {int(read_only)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("writing"):
            if options.get("one_state") or not read_only:
                connection.exec_driver_sql("BEGIN")
            return  # a page is one statement, so it needs no transaction
        # A transaction that has read can't write any more if another one has written meanwhile, so lock at once.
        cursor = connection.connection.cursor()
        try:
            if options.get("impatient"):
                cursor.execute("PRAGMA busy_timeout = 0")
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _primary_code(error) == sqlite3.SQLITE_BUSY:
                raise SyncInProgress from error
            raise translate(error, is_disconnect=False) or error from error
        finally:
            if options.get("impatient"):
                cursor.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")

    if not read_only:
        event.listen(engine, "checkin", _empty_log)
    return engine


def _empty_log(connection: sqlite3.Connection | None, _: object) -> None:
    """Move the write-ahead log into the file and truncate it, unless readers need it: it holds rows that were deleted.

    Called when a transaction has ended. The next one makes up for a failure.
    """
    if connection is None:
        return  # it was closed after an error
    with suppress(sqlite3.Error):
        (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {int(_CHECKPOINT_PATIENCE * 1000)}")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {patience}")


def translate(error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:  # noqa: ARG001  PostgreSQL's uses it
    """Return the domain's error for an error of the driver, None if it is a bug."""
    if not isinstance(error, sqlite3.Error):
        return None
    if str(error).startswith(("no such table", "no such column")):
        return StorageUnavailable("its schema is missing or old; run: alembic -c development.ini upgrade head")
    if _primary_code(error) in _UNAVAILABLE:
        return StorageUnavailable(f"SQLite failed with {error.sqlite_errorname}")
    return None


_UNAVAILABLE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}
"""Primary result codes that say the database can't be used now."""


def _primary_code(error: sqlite3.Error) -> int:
    """Return the primary result code of an error, 0 if the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def files(url: URL) -> list[Path]:
    """Return the paths of the database and of the files that SQLite keeps beside it, whether or not they exist."""
    path = os.path.realpath(url.database or "")
    return [Path(path + suffix) for suffix in ("", "-wal", "-shm", "-journal")]


def is_missing(url: URL) -> bool:
    """Return whether the database's file doesn't exist or is empty."""
    path = Path(url.database or "")
    return not path.exists() or path.stat().st_size == 0


def create_file(url: URL, initialize: Callable[[Engine], None]) -> None:
    """Create the database's file, readable by its owner only, unless it exists and isn't empty.

    A new file appears when ``initialize`` has returned, so no other process sees an incomplete one. An empty file is
    initialised in place.

    Raises:
        StorageUnavailable: the file can't be created.
    """
    path = Path(url.database or "")
    if path.exists():
        if path.stat().st_size == 0:
            initialize(connect(url, read_only=False))
        return
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            new = Path(folder, path.name)
            os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600))
            engine = connect(url.set(database=str(new)), read_only=False)
            initialize(engine)
            engine.dispose()  # closing the last connection moves the write-ahead log into the file
            os.link(new, path)  # unlike a rename, this never replaces a file that another process has created meanwhile
    except FileExistsError:
        return
    except OSError as error:
        raise StorageUnavailable(f"the SQLite file can't be created: {error.strerror}") from error


def _last_id(table: Table) -> ColumnElement[int]:
    """Return the expression for the largest id that a table ever had."""
    sequence = TableClause("sqlite_sequence", column("name", Text), column("seq", Integer))
    last = select(sequence.c.seq).where(sequence.c.name == table.name).scalar_subquery()
    return func.coalesce(last, 0)


class Dialect(SyncDialect):
    """The operations of a sync on SQLite."""

    @override
    def lock(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has taken the lock already.
        for tables in (working_tables.metadata, working_tables.temporary):
            working_tables.create(connection, tables.sorted_tables, "TEMPORARY")

    @override
    def next_id(self, table: Table) -> ColumnElement[int]:
        return _last_id(table) + 1

    @override
    def clear(self, connection: Connection, *tables: Table) -> None:
        for table in tables:
            connection.exec_driver_sql(f"DELETE FROM {table.name}")  # noqa: S608  a constant name

    @override
    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        self.clear(connection, table)
        connection.execute(insert(table).from_select([column.name for column in table.columns], pairs))

    @override
    def load(self, connection: Connection, table: Table, batches: Iterable[Columns]) -> None:
        marks = ", ".join("?" * len(table.columns))
        rows = chain.from_iterable(zip(*columns, strict=True) for columns in batches)
        cursor: Any = connection.connection.cursor()  # SQLAlchemy's cursor type doesn't allow iterators
        try:
            cursor.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)  # noqa: S608  a constant name
        except sqlite3.Error as error:
            raise translate(error, is_disconnect=False) or error from error

    @override
    def analyze(self, connection: Connection, table: Table) -> None:
        """Do nothing: SQLite plans by the schema, without statistics."""

    @override
    def bulk_load(self, connection: Connection, table: Table) -> AbstractContextManager[None]:
        return without_indexes(connection, table)
