"""The database of the settings as the ports that requests use, joined to their transactions."""

import os
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, event, select, text
from sqlalchemy.engine.interfaces import ExceptionContext
from typing_extensions import override

from paymentagg.adapters.sql import monitoring, schema, urls
from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.engines.dialect import SyncDialect
from paymentagg.adapters.sql.engines.search_path import FALLBACK, PRACTICE
from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.noting import noting
from paymentagg.adapters.sql.participation import Participant
from paymentagg.adapters.sql.reader import SqlReader
from paymentagg.adapters.sql.retention import SqlRetention
from paymentagg.adapters.sql.sessions import SqlSessions
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.adapters.sql.tables import metadata
from paymentagg.adapters.sql.verification.comparison import ComparisonStorage, ScratchStorage
from paymentagg.adapters.sql.verification.state import SqlVerification
from paymentagg.adapters.sql.verification.structure import full_working_tables
from paymentagg.domain.api_keys import WrongKeys
from paymentagg.domain.errors import InvalidParameter, StorageUnavailable
from paymentagg.domain.ports import Database, Export, Freshness, PoolUse, PracticeRegistry, Reader, TransactionManager

if TYPE_CHECKING:
    from paymentagg.adapters.sql.standby.access import Standby

ENVIRONMENT = "PAYMENTAGG_DATABASE_URL"
SETTING = "sqlalchemy.url"
BUILT_IN_URL = "sqlite:///paymentagg.sqlite"


class SqlDatabase(Database):
    """See the port Database. ``writers`` and ``readers`` are its pools of connections.

    Args:
        many: whether it is a PostgreSQL database of many practices, with a schema for each: nothing but ``of`` gives
            access to one.
        read_url: the URL of a replica, a PostgreSQL standby; None if there is none.

    Raises:
        StorageUnavailable: the SQLite library is too old.
    """

    def __init__(self, url: URL, *, many: bool = False, read_url: URL | None = None) -> None:
        self._url = url
        self._is_all = many
        self.writers = connect(url, many=many)
        self.readers = connect(url, read_only=True, many=many)
        self._dialect: SyncDialect = _module(url).Dialect()
        self._scratch: Engine | None = None
        self._standby: Standby | None = None
        if read_url is not None:
            from paymentagg.adapters.sql.standby import access  # imports psycopg2

            standby = connect(read_url, read_only=True, many=many)
            self._standby = access.Standby(standby, self.readers, open_export, has_schema=not many)

    @override
    def of(self, practice: str) -> "SqlDatabase":
        from paymentagg.adapters.sql.practices import PracticeDialect  # imports psycopg2, which SQLite doesn't need

        options = _options_of(practice)
        one = copy(self)
        one._is_all = False
        one._dialect = PracticeDialect()
        one.writers = self.writers.execution_options(**options)
        one.readers = self.readers.execution_options(**options)
        one._standby = None if self._standby is None else self._standby.of(options)
        return one

    @override
    def practices(self) -> PracticeRegistry:
        from paymentagg.adapters.sql.practices import SqlPractices

        return SqlPractices(self.writers, _options_of, partial(connect, self._url, many=True))

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
            if self._is_all:
                connection.scalar(select(1))
            else:
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
    def sessions(self, manager: TransactionManager) -> SqlSessions:
        connection = self._joined(manager)
        schema.check(connection)
        return SqlSessions(connection)

    @override
    def retention(self, manager: TransactionManager) -> SqlRetention:
        connection = self._joined(manager)
        schema.check(connection)
        self._dialect.lock(connection)
        return SqlRetention(connection)

    @override
    def note_use(self, key_id: str, at: datetime) -> None:
        with noting(self.writers, self.readers) as keys:
            keys.use(key_id, at)

    @override
    def count_wrong_key(self, address: str, at: datetime, window: timedelta) -> WrongKeys:
        if self._is_all:
            from paymentagg.adapters.sql import unknown_practice  # imports psycopg2

            return unknown_practice.count_wrong_key(self.writers, self.readers, address, at, window)
        with noting(self.writers, self.readers) as keys:
            return keys.count_wrong(address, at, window)

    @override
    def reader(self) -> SqlReader:
        return SqlReader(self.readers)

    @override
    def key_reader(self, practice: str) -> SqlReader:
        from paymentagg.adapters.sql.unknown_practice import SCHEMA  # imports psycopg2

        return SqlReader(self.readers.execution_options(**_options_of(practice), **{FALLBACK: SCHEMA}))

    @override
    def data_reader(self) -> Reader:
        return self.reader() if self._standby is None else self._standby.reader()

    @override
    def export(self, min_sync: int | None = None) -> Export:
        return open_export(self.readers) if self._standby is None else self._standby.export(min_sync)

    @property
    @override
    def replica_is_available(self) -> bool | None:
        return None if self._standby is None else self._standby.is_available

    @override
    def freshness(self, stale_before: datetime) -> Freshness:
        return monitoring.freshness(self.readers, stale_before if self._is_all else None)

    @override
    def pools(self) -> Sequence[PoolUse]:
        standby = None if self._standby is None else self._standby.readers
        return monitoring.pools(writers=self.writers, readers=self.readers, replica=standby)

    @override
    def verification(self, manager: TransactionManager) -> SqlVerification:
        self.require()
        connection = self.writers.connect()
        manager.get().join(Participant(connection))
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
        manager.get().join(Participant(connection))
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
        manager.get().join(Participant(connection))
        return connection


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
    url = urls.parsed(name, text, f", here or in {ENVIRONMENT}")
    if not urls.is_postgresql(url) and url.get_backend_name() != "sqlite":
        raise InvalidParameter(name, "must begin with postgresql:// or sqlite:///")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise InvalidParameter(
            name, "must name a file: sqlite:///paymentagg.sqlite, sqlite:////var/lib/paymentagg.sqlite"
        )
    return url


def connect(url: URL, *, read_only: bool = False, many: bool = False) -> Engine:
    """Return an engine whose errors are the domain's, whenever they occur, at connecting and COMMIT too.

    A ``read_only`` engine is for pages: each is one statement, so it sees one state without a transaction. For ``many``
    practices, which only PostgreSQL has, a connection sees only the practice in its execution options.
    """
    dialect = _module(url)
    engine: Engine = dialect.connect(url, read_only=read_only, **({"many": many} if many else {}))

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        if context.is_pre_ping and context.is_disconnect:
            return  # not an error: the pool reconnects
        options = {} if context.connection is None else context.connection.get_execution_options()
        translated = options.get("translate", dialect.translate)
        error = translated(context.original_exception, is_disconnect=context.is_disconnect)
        if error is not None:
            raise error from context.original_exception

    engine.update_execution_options(translate=dialect.translate)
    return engine


def _options_of(practice: str) -> dict[str, Any]:
    """Return the execution options with which a connection sees one of many practices."""
    from paymentagg.adapters.sql.engines.postgresql import translate_for

    return {PRACTICE: practice, "translate": partial(translate_for, practice)}


def _module(url: URL) -> ModuleType:
    """Return the module for the engine of a database. PostgreSQL's is imported late: SQLite needs no psycopg2."""
    if url.get_backend_name() == "sqlite":
        return sqlite
    from paymentagg.adapters.sql.engines import postgresql

    return postgresql
