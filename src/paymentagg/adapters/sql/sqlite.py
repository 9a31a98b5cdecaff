"""What only SQLite does: pragmas, explicit BEGIN, temporary working tables, errors by their words."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Select, Table, create_engine, event, insert
from sqlalchemy.schema import CreateTable

from paymentagg.adapters.sql import working_tables
from paymentagg.adapters.sql.dialect import Rows, without_indexes
from paymentagg.domain.errors import PaymentAggError, StorageUnavailable, SyncInProgress

PATIENCE = 5.0
"""How many seconds a sync waits for another to end."""

FIRST_WITH_FULL_JOIN = (3, 39)

_PRAGMAS = (
    "journal_mode = WAL",  # readers go on while a sync writes
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
)


def connect(url: URL, *, read_only: bool) -> Engine:
    """Return an engine for an SQLite file.

    Raises:
        StorageUnavailable: the SQLite library is too old.
    """
    if sqlite3.sqlite_version_info < FIRST_WITH_FULL_JOIN:
        raise StorageUnavailable(f"SQLite 3.39 or newer is needed, and this Python has {sqlite3.sqlite_version}")
    engine = create_engine(url, connect_args={"timeout": PATIENCE}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA query_only = {int(read_only)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if not options.get("writing"):
            if options.get("one_state") or not read_only:
                connection.exec_driver_sql("BEGIN")
            return  # a page is one statement, and needs no more
        # A transaction that begins by reading can't become a writing one when another has written meanwhile.
        try:
            connection.connection.cursor().execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if _primary_code(error) == sqlite3.SQLITE_BUSY:
                raise SyncInProgress from error
            raise translate(error, is_disconnect=False) or error from error

    return engine


def translate(error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:  # noqa: ARG001  as postgresql's
    """Return what the user is told of a driver's error, None where it is a bug."""
    if not isinstance(error, sqlite3.Error):
        return None
    if str(error).startswith(("no such table", "no such column")):
        return StorageUnavailable("its schema is missing or old; run: alembic -c development.ini upgrade head")
    if _primary_code(error) in _UNUSABLE:
        return StorageUnavailable(f"SQLite says {error.sqlite_errorname}")
    return None


_UNUSABLE = {
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


def _primary_code(error: sqlite3.Error) -> int:
    """Return the error's code without what extends it; Python's own errors have none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def create_file(url: URL, fill: Callable[[Engine], None]) -> None:
    """Create the database's file, for its owner alone, where there is none: filled, or not at all.

    A file that is there and empty is filled, too.

    Raises:
        StorageUnavailable: it can't be created.
    """
    path = Path(url.database or "")
    if path.exists():
        if path.stat().st_size == 0:
            fill(connect(url, read_only=False))
        return
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            new = Path(folder, path.name)
            os.close(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600))
            engine = connect(url.set(database=str(new)), read_only=False)
            fill(engine)
            engine.dispose()  # the last one who leaves moves all that is in the log into the file
            os.link(new, path)  # unlike a rename, it never takes the place of what another has made meanwhile
    except FileExistsError:
        return
    except OSError as error:
        raise StorageUnavailable(f"the SQLite file can't be created: {error.strerror}") from error


class SqliteSync:
    """See SyncEngine."""

    def lock(self, connection: Connection) -> None:
        # BEGIN IMMEDIATE has locked already.
        for table in (*working_tables.metadata.sorted_tables, *working_tables.temporary.sorted_tables):
            columns = str(CreateTable(table).compile(connection)).partition("(")[2]
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE IF NOT EXISTS {table.name} ({columns}")

    def clear(self, connection: Connection, *tables: Table) -> None:
        for table in tables:
            connection.exec_driver_sql(f"DELETE FROM {table.name}")  # noqa: S608  a name of our own

    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        self.clear(connection, table)
        connection.execute(insert(table).from_select([column.name for column in table.columns], pairs))

    def load(self, connection: Connection, table: Table, batches: Iterable[Rows]) -> None:
        marks = ", ".join("?" * len(table.columns))
        cursor: Any = connection.connection.cursor()  # the type of all drivers takes no iterators
        try:
            cursor.executemany(f"INSERT INTO {table.name} VALUES ({marks})", chain.from_iterable(batches))  # noqa: S608  a name of our own
        except sqlite3.Error as error:
            raise translate(error, is_disconnect=False) or error from error

    def analyze(self, connection: Connection, table: Table) -> None:
        """Do nothing: SQLite plans by what the schema says."""

    def filling(self, connection: Connection, table: Table) -> AbstractContextManager[None]:
        return without_indexes(connection, table)
