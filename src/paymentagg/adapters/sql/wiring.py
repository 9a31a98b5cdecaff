"""The database of the settings as the ports that requests use, joined to their transactions."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import ModuleType

from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError
from typing_extensions import override

from paymentagg.adapters.sql import schema
from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.engines.dialect import SyncDialect
from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.history import SqlHistory
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments, SqlSyncs
from paymentagg.adapters.sql.retention import SqlRetention
from paymentagg.adapters.sql.statistics import SqlStatistics
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.adapters.sql.tables import metadata
from paymentagg.adapters.sql.verification.comparison import ComparisonStorage, ScratchStorage
from paymentagg.adapters.sql.verification.state import SqlVerification
from paymentagg.adapters.sql.verification.structure import full_working_tables
from paymentagg.domain.errors import InvalidParameter, StorageUnavailable
from paymentagg.domain.ports import Database, Reader, TransactionManager

ENVIRONMENT = "PAYMENTAGG_DATABASE_URL"
SETTING = "sqlalchemy.url"
BUILT_IN_URL = "sqlite:///paymentagg.sqlite"
_PORT = "must have a port from 1 to 65535, such as postgresql://user:password@host:5432/database, or none"


class SqlDatabase(Database):
    """See the port Database. ``writers`` and ``readers`` are its pools of connections.

    Raises:
        StorageUnavailable: the SQLite library is too old.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self.writers = connect(url)
        self.readers = connect(url, read_only=True)
        self._dialect: SyncDialect = _module(url).Dialect()
        self._scratch: Engine | None = None

    @property
    @override
    def files(self) -> Sequence[Path]:
        return sqlite.files(self._url) if self._url.get_backend_name() == "sqlite" else ()

    @override
    def prepare(self, *, dry_run: bool = False) -> None:
        if self._url.get_backend_name() != "sqlite":
            return
        if not dry_run:
            sqlite.create_file(self._url, schema.upgrade)
        elif sqlite.is_missing(self._url):
            self.writers = self.readers = connect(sqlite.TEMPORARY)
            schema.upgrade(self.writers)

    @override
    def require(self) -> None:
        if self._url.get_backend_name() == "sqlite" and sqlite.is_missing(self._url):
            raise StorageUnavailable("the SQLite file doesn't exist or is empty; is the URL right?")

    @override
    def check(self) -> None:
        with self.readers.connect() as connection:
            schema.check(connection)

    @override
    def storage(self, manager: TransactionManager) -> SqlStorage:
        return SqlStorage(self._joined(manager), self._dialect, manager)

    @override
    def keys(self, manager: TransactionManager) -> SqlKeys:
        connection = self._joined(manager)
        schema.check(connection)
        return SqlKeys(connection)

    @override
    def retention(self, manager: TransactionManager) -> SqlRetention:
        connection = self._joined(manager)
        schema.check(connection)
        self._dialect.lock(connection)
        return SqlRetention(connection)

    @override
    def note_use(self, key_id: str, at: datetime) -> None:
        if self.writers.dialect.name == "postgresql":  # as part of a read, it has the deadlines of reads
            with self.readers.connect() as connection:
                _module(self._url).isolate(connection, "READ COMMITTED")
                connection.execute(text("SET TRANSACTION READ WRITE"))
                SqlKeys(connection).use(key_id, at)
                connection.commit()
            return
        writing = self.writers.connect().execution_options(writing=True, impatient=True)
        with writing as connection, connection.begin():
            SqlKeys(connection).use(key_id, at)

    @override
    def reader(self) -> "SqlReader":
        return SqlReader(self.readers)

    @override
    def export(self) -> SqlExport:
        return open_export(self.readers)

    @override
    def verification(self, manager: TransactionManager) -> SqlVerification:
        self.require()
        connection = self.writers.connect()
        manager.get().join(_Participant(connection))
        if connection.dialect.name == "postgresql":
            _module(self._url).isolate(connection, "REPEATABLE READ")
        storage = partial(ComparisonStorage, connection, self._dialect, manager)
        return SqlVerification(connection, self._full_tables, storage)

    @override
    def scratch(self, manager: TransactionManager) -> ScratchStorage:
        if self._scratch is None:
            self._scratch = connect(sqlite.TEMPORARY)
            metadata.create_all(self._scratch)
        connection = self._scratch.connect().execution_options(writing=True)
        manager.get().join(_Participant(connection))
        return ScratchStorage(connection, sqlite.Dialect(), manager)

    def _full_tables(self) -> list[str]:
        if self._url.get_backend_name() == "sqlite":
            return []  # all working tables are temporary
        with self.readers.connect() as connection:
            _module(self._url).isolate(connection, "READ COMMITTED")
            return full_working_tables(connection)

    def _joined(self, manager: TransactionManager) -> Connection:
        """Return a connection for writing, whose transaction the manager commits or rolls back."""
        connection = self.writers.connect().execution_options(writing=True)
        manager.get().join(_Participant(connection))
        return connection


class SqlReader(Reader):
    """See the port Reader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opened: Connection | None = None

    @property
    @override
    def patients(self) -> SqlPatients:
        return SqlPatients(self._connection)

    @property
    @override
    def payments(self) -> SqlPayments:
        return SqlPayments(self._connection)

    @property
    @override
    def syncs(self) -> SqlSyncs:
        return SqlSyncs(self._connection)

    @property
    @override
    def history(self) -> SqlHistory:
        return SqlHistory(self._connection)

    @property
    @override
    def statistics(self) -> SqlStatistics:
        return SqlStatistics(self._connection)

    @property
    @override
    def keys(self) -> SqlKeys:
        return SqlKeys(self._connection)

    @override
    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            self._opened = self._engine.connect()
        return self._opened


class _Participant:
    """A connection that takes part in a transaction of a transaction manager: ``transaction.interfaces.IDataManager``.

    It is the only participant, so it commits as its vote: nothing can fail after that.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tpc_begin(self, _transaction: object) -> None:
        pass

    commit = tpc_begin

    def tpc_vote(self, _transaction: object) -> None:
        self._connection.commit()

    def abort(self, _transaction: object) -> None:
        self._connection.close()  # which rolls back

    tpc_finish = tpc_abort = abort

    def sortKey(self) -> str:  # noqa: N802
        return "~sql"


def open_export(readers: Engine) -> SqlExport:
    """Return an export of the current state."""
    connection = readers.connect().execution_options(one_state=True)
    try:
        if readers.dialect.name == "postgresql":
            postgresql = _module(readers.url)
            postgresql.isolate(connection, "REPEATABLE READ")
            connection.execute(text(postgresql.EXPORT_TIMEOUT))
        return SqlExport(connection)
    except BaseException:
        connection.close()
        raise


def database_url(settings: Mapping[str, str]) -> URL:
    """Return the URL of the database: from the environment, else from the settings, else of the built-in SQLite file.

    Raises:
        InvalidParameter: the URL isn't valid, or names an engine that paymentagg doesn't support.
    """
    name = ENVIRONMENT if os.environ.get(ENVIRONMENT) else SETTING
    text = os.environ.get(ENVIRONMENT) or settings.get(SETTING, BUILT_IN_URL)
    try:
        url = make_url(text)
    except ArgumentError:
        example = "postgresql://user:password@host/database"
        raise InvalidParameter(name, f"must be a URL such as {example}, here or in {ENVIRONMENT}") from None
    except ValueError:  # SQLAlchemy's int(port), whose message would show the text, which may be a part of a password
        raise InvalidParameter(name, _PORT) from None
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise InvalidParameter(name, _PORT)
    if url.get_backend_name() not in ("postgresql", "postgres", "sqlite"):
        raise InvalidParameter(name, "must begin with postgresql:// or sqlite:///")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise InvalidParameter(
            name, "must name a file: sqlite:///paymentagg.sqlite, sqlite:////var/lib/paymentagg.sqlite"
        )
    return url


def connect(url: URL, *, read_only: bool = False) -> Engine:
    """Return an engine whose errors are the domain's, whenever they occur, at connecting and COMMIT too.

    A ``read_only`` engine is for pages: each is one statement, so it sees one state without a transaction.
    """
    dialect = _module(url)
    engine: Engine = dialect.connect(url, read_only=read_only)

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        if context.is_pre_ping and context.is_disconnect:
            return  # not an error: the pool reconnects
        error = dialect.translate(context.original_exception, is_disconnect=context.is_disconnect)
        if error is not None:
            raise error from context.original_exception

    engine.update_execution_options(translate=dialect.translate)
    return engine


def _module(url: URL) -> ModuleType:
    """Return the module for the engine of a database. PostgreSQL's is imported late: SQLite needs no psycopg2."""
    if url.get_backend_name() == "sqlite":
        return sqlite
    from paymentagg.adapters.sql.engines import postgresql

    return postgresql
