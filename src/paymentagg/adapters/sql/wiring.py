"""The database of the settings as the ports that requests use, joined to their transactions."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType

import zope.sqlalchemy
from pyramid.config import Configurator
from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session
from typing_extensions import override

from paymentagg.adapters.sql import postgresql, schema, sqlite
from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.dialect import SyncDialect
from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments, SqlSyncs
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.ports import Database, Reader, TransactionManager

ENVIRONMENT = "PAYMENTAGG_DATABASE_URL"
SETTING = "sqlalchemy.url"
BUILT_IN_URL = "sqlite:///paymentagg.sqlite"
_PORT = "must have a port from 1 to 65535, such as postgresql://user:password@host:5432/database, or none"
_DIALECTS: dict[str, ModuleType] = {"postgresql": postgresql, "postgres": postgresql, "sqlite": sqlite}


def includeme(config: Configurator) -> None:
    """Set the registry's ``database`` to that of the settings.

    Raises:
        InvalidParameter: the URL can't be parsed, or is that of another engine.
        StorageUnavailable: the SQLite library is too old.
    """
    config.registry.database = SqlDatabase(database_url(config.registry.settings))


class SqlDatabase(Database):
    """See the port Database. It has one pool of connections for writing and one for reading."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._writers = connect(url)
        self._readers = connect(url, read_only=True)
        self._dialect: SyncDialect = (
            postgresql.PostgresqlDialect() if self._writers.dialect.name == "postgresql" else sqlite.SqliteDialect()
        )

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
            self._writers = self._readers = connect(sqlite.TEMPORARY)
            schema.upgrade(self._writers)

    @override
    def check(self) -> None:
        with self._readers.connect() as connection:
            schema.check(connection)

    @override
    def storage(self, manager: TransactionManager) -> SqlStorage:
        return SqlStorage(self._session(manager), self._dialect, manager)

    @override
    def keys(self, manager: TransactionManager) -> SqlKeys:
        connection = self._session(manager).connection(execution_options={"writing": True})
        schema.check(connection)
        return SqlKeys(connection)

    @override
    def note_use(self, key_id: str, at: datetime) -> None:
        writing = self._writers.connect().execution_options(writing=True, impatient=True)
        with writing as connection, connection.begin():
            SqlKeys(connection).use(key_id, at)

    @override
    def reader(self) -> "SqlReader":
        return SqlReader(self._readers)

    @override
    def export(self) -> SqlExport:
        return open_export(self._readers)

    def _session(self, manager: TransactionManager) -> Session:
        session = Session(self._writers)
        # Without initial_state, statements of Core would be rolled back without an error.
        zope.sqlalchemy.register(session, transaction_manager=manager, initial_state="changed")
        return session


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
    def keys(self) -> SqlKeys:
        return SqlKeys(self._connection)

    @override
    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    @property
    def _connection(self) -> Connection:
        if self._opened is None:
            self._opened = self._engine.connect()
        return self._opened


def open_export(readers: Engine) -> SqlExport:
    """Return an export of the current state."""
    connection = readers.connect().execution_options(one_state=True)
    try:
        if readers.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ").execute(text(postgresql.EXPORT_TIMEOUT))
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
    if url.get_backend_name() not in _DIALECTS:
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
    dialect = _DIALECTS[url.get_backend_name()]
    engine: Engine = dialect.connect(url, read_only=read_only)

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        if context.is_pre_ping and context.is_disconnect:
            return  # not an error: the pool reconnects
        error = dialect.translate(context.original_exception, is_disconnect=context.is_disconnect)
        if error is not None:
            raise error from context.original_exception

    return engine
