"""Configuration of the database: the engines, a session joined to request.tm, and the ports as request attributes."""

import os
from collections.abc import Mapping
from types import ModuleType

import pyramid_tm
import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from sqlalchemy import URL, Connection, Engine, event, make_url, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from paymentagg.adapters.sql import postgresql, schema, sqlite
from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.dialect import SyncDialect
from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments, SqlSyncs
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.errors import InvalidParameter

ENVIRONMENT = "PAYMENTAGG_DATABASE_URL"
SETTING = "sqlalchemy.url"
BUILT_IN_URL = "sqlite:///paymentagg.sqlite"
_DIALECTS: dict[str, ModuleType] = {"postgresql": postgresql, "postgres": postgresql, "sqlite": sqlite}


def includeme(config: Configurator) -> None:
    """Connect to the database of the settings, creating an SQLite file if there is none.

    Raises:
        InvalidParameter: the URL isn't valid, or names an engine that paymentagg doesn't support.
        StorageUnavailable: the SQLite file can't be created.
    """
    url = database_url(config.registry.settings)
    if url.get_backend_name() == "sqlite":
        sqlite.create_file(url, schema.upgrade)
    engine = connect(url)

    # Each request has its own transaction manager, which commits; the thread's own one is never used.
    # The veto rolls back if the response has an error status, even if a view returned it.
    config.add_settings(
        {
            "tm.manager_hook": "pyramid_tm.explicit_manager",
            "tm.commit_veto": "pyramid_tm.default_commit_veto",
            "tm.annotate_user": False,
        }
    )
    config.include(pyramid_tm)
    readers = connect(url, read_only=True)
    dialect: SyncDialect = (
        postgresql.PostgresqlDialect() if engine.dialect.name == "postgresql" else sqlite.SqliteDialect()
    )

    def session(request: Request) -> Session:
        opened = Session(engine)
        # Without initial_state, rows written by Core statements would be rolled back without an error.
        zope.sqlalchemy.register(opened, transaction_manager=request.tm, initial_state="changed")
        return opened

    def reading(request: Request) -> Connection:
        connection = readers.connect()
        request.add_finished_callback(lambda _: connection.close())
        return connection

    config.add_request_method(session, "session", reify=True)
    config.add_request_method(reading, "reading", reify=True)
    config.add_request_method(lambda r: SqlStorage(r.session, dialect, r.tm), "storage", reify=True)
    config.add_request_method(lambda r: SqlPatients(r.reading), "patients", reify=True)
    config.add_request_method(lambda r: SqlPayments(r.reading), "payments", reify=True)
    config.add_request_method(lambda r: SqlSyncs(r.reading), "syncs", reify=True)
    config.add_request_method(lambda r: SqlKeys(r.reading), "keys", reify=True)
    config.add_request_method(find_key)
    config.add_request_method(key_store, reify=True)
    config.add_request_method(lambda _: open_export(readers), "open_export")
    config.add_request_method(lambda r: schema.check(r.reading), "check_storage")


def find_key(request: Request, key_id: str) -> ApiKey | None:
    """Return the API key with this public id, read on the connection for pages; None if there is none.

    The read is rolled back at once: a sync must not run while its request has an open reading transaction.
    """
    key: ApiKey | None = request.keys.get(key_id)
    request.reading.rollback()
    return key


def key_store(request: Request) -> SqlKeys:
    """Return the API keys for writing; request.tm commits.

    Raises:
        StorageUnavailable: the schema must be migrated first.
    """
    connection = request.session.connection(execution_options={"writing": True})
    schema.check(connection)
    return SqlKeys(connection)


def open_export(readers: Engine) -> SqlExport:
    """Return an export of the current state, with a connection of its own."""
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
