"""PostgreSQL: connections, errors by SQLSTATE, and its way to do the operations of a sync."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any

import psycopg2
from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Constraint,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    func,
    insert,
    text,
)
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.schema import AddConstraint, DropConstraint
from typing_extensions import override

from paymentagg.adapters.sql.engines import citus, deadlines, message_codec, search_path, session_settings
from paymentagg.adapters.sql.engines.copy_text import CopySource
from paymentagg.adapters.sql.engines.dialect import SyncDialect, without_indexes
from paymentagg.domain.batches import Columns
from paymentagg.domain.errors import PaymentAggError, PracticeNotFound, StorageUnavailable, SyncInProgress

LOCK_KEY = 0x7061796D
"""The first key of the advisory lock that a sync holds: "paym" in ASCII."""

LOCK = text(
    "SELECT pg_advisory_xact_lock(:key, (SELECT CAST(relnamespace AS int4) FROM pg_class"
    " WHERE oid = CAST('syncs' AS regclass)))"
).bindparams(key=LOCK_KEY)
"""Waits for the lock of a sync. Its second key is the oid of the schema that the tables are in, so each schema of a
database has a lock of its own. The cast keeps all 32 bits, so no two schemas have the same key."""

STATISTICS_TARGET = 5
"""How exactly working tables are analysed: 1,500 rows (300 times this) are enough to choose the plan of the join.

PostgreSQL's default, 100, reads nearly all pages of a million rows, which takes ten times as long.
"""

LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
UNDEFINED_TABLE = "42P01"
UNDEFINED_COLUMN = "42703"
_UNAVAILABLE_CLASSES = {
    "08",  # connection exception
    "28",  # invalid authorization
    "3D",  # no such database
    "40",  # transaction rollback: a deadlock
    "53",  # insufficient resources
    "57",  # operator intervention
    "58",  # system error
}
"""Classes of SQLSTATE, its first two characters, that say the database can't be used now."""

_OLD_SCHEMA = "its schema is missing or old; run: alembic -c production.ini upgrade head"
_REASONS = {
    LOCK_NOT_AVAILABLE: "a first load or a migration has locked a table; try again when it is done",
    "42501": "its role lacks a privilege: syncs and servers need those of docs/roles.sql, all else the tables' owner",
    UNDEFINED_TABLE: _OLD_SCHEMA,
    UNDEFINED_COLUMN: _OLD_SCHEMA,
    "57014": "a statement took too long and was cancelled; try again when the database is less busy",
}

_CONNECTION_ERRORS = (psycopg2.OperationalError, psycopg2.InterfaceError)
"""What psycopg2 raises without an SQLSTATE if there is no connection, or no longer one."""

EXPORT_TIMEOUT = "SET LOCAL statement_timeout = '60s'"
"""Longer than for a page: an export may have to sort all its rows first. Each FETCH after that has its own timeout."""

_NETWORK_TIMEOUTS = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""In seconds (``tcp_user_timeout``: milliseconds). They detect a server that vanished without closing connections."""


def connect(url: URL, *, read_only: bool, many: bool = False) -> Engine:
    """Return an engine for a PostgreSQL database. A read-only one runs each statement outside of a transaction.

    Args:
        many: whether its connections see only the practice in the execution options.
    """
    message_codec.install()
    engine = create_engine(
        url.set(drivername="postgresql+psycopg2"),
        connect_args=_NETWORK_TIMEOUTS,
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        hide_parameters=True,
        poolclass=_Pool,
        pool_pre_ping=not read_only,
        pool_size=8,
        max_overflow=2,
        pool_timeout=5,
        pool_recycle=1800,
    )
    session_settings.apply(engine, read_only=read_only, many=many)
    if read_only:
        event.listen(engine, "checkout", _check_open)  # a page is one statement, so a ping would double the cost
        deadlines.apply(engine)
    if many:
        search_path.apply(engine)
    return engine


def _check_open(connection: Any, *_: object) -> None:
    """Make the pool reconnect if the server has closed this pooled connection.

    Between statements the server sends hardly anything but the message that it closes the connection.
    """
    socket = poll()
    socket.register(connection, POLLIN)
    if socket.poll(0):
        raise InvalidatePoolError


def translate(error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:
    """Return the domain's error for an error of the driver, None if it is a bug."""
    if not isinstance(error, psycopg2.Error):
        return None
    sqlstate = error.pgcode
    if sqlstate in _REASONS:
        return StorageUnavailable(_REASONS[sqlstate])
    if is_disconnect or (sqlstate is None and isinstance(error, _CONNECTION_ERRORS)):
        return StorageUnavailable("PostgreSQL can't be reached; is it running, and is the URL right?")
    if sqlstate is not None and (sqlstate == READ_ONLY or sqlstate[:2] in _UNAVAILABLE_CLASSES):
        return StorageUnavailable(f"PostgreSQL failed with SQLSTATE {sqlstate}; its log says more")
    return None


def translate_for(practice: str, error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:
    """Return the domain's error as ``translate`` does; no practice without its tables is found."""
    sqlstate = getattr(error, "pgcode", None)
    if sqlstate == UNDEFINED_TABLE:
        return PracticeNotFound(practice)
    if sqlstate == UNDEFINED_COLUMN:
        return StorageUnavailable(f"its schema is old; run: paymentagg-practices migrate {practice}")
    return translate(error, is_disconnect=is_disconnect)


def is_lock_timeout(error: StorageUnavailable) -> bool:
    """Return whether a statement has waited too long for a lock."""
    return getattr(error.__cause__, "pgcode", None) == LOCK_NOT_AVAILABLE


def is_of_server(error: StorageUnavailable) -> bool:
    """Return whether an error is about the server, and not about one statement or its table."""
    cause = error.__cause__
    if not isinstance(cause, psycopg2.Error):
        return False
    sqlstate = cause.pgcode
    return sqlstate is None or sqlstate[:2] in {"08", "28", "3D", "53", "58"} or sqlstate.startswith("57P")


def isolate(connection: Connection, level: IsolationLevel) -> None:
    """Let the connection run transactions of this isolation level until it is returned to the pool.

    Raises:
        StorageUnavailable: the connection is lost. SQLAlchemy passes errors of this call on as they are.
    """
    try:
        connection.execution_options(isolation_level=level)
    except psycopg2.Error as error:
        raise translate(error, is_disconnect=False) or error from error


class _Pool(QueuePool):
    """A pool whose time-out is an error of the domain: ``translate`` gets errors of the driver only, not the pool's."""

    @override
    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout as error:
            raise StorageUnavailable("all its connections are in use; try again in a moment") from error


class Dialect(SyncDialect):
    """The operations of a sync on PostgreSQL."""

    @override
    def lock(self, connection: Connection) -> None:
        # The isolation level is READ COMMITTED, so statements after the wait see what the other sync has written.
        try:
            connection.execute(LOCK)
        except StorageUnavailable as error:
            if is_lock_timeout(error):
                raise SyncInProgress from error
            raise

    @override
    def next_id(self, table: Table) -> ColumnElement[int]:
        return func.nextval(func.pg_get_serial_sequence(table.name, "id"), type_=BigInteger)

    @override
    def clear(self, connection: Connection, *tables: Table) -> None:
        connection.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)}"))

    @override
    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        if citus.has_all_working_tables(connection):
            self.clear(connection, table)
            connection.execute(insert(table).from_select([column.name for column in table.columns], pairs))
            return
        # A parallel join pays because few pairs usually differ, but the planner can't know that, hence the cost of 0.
        # CREATE TABLE AS can run its query in parallel; INSERT can't.
        connection.execute(text("SET LOCAL parallel_tuple_cost = 0"))
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        query = pairs.compile(connection)
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {table.name} ({columns}) ON COMMIT DROP AS {query}")
        connection.execute(text("SET LOCAL parallel_tuple_cost TO DEFAULT"))

    @override
    def load(self, connection: Connection, table: Table, batches: Iterable[Columns]) -> None:
        source = CopySource(batches)
        try:
            cursor: Any = connection.connection.cursor()
            cursor.copy_expert(f"COPY {table.name} FROM STDIN WITH (NULL '')", source)
            cursor.close()
        except psycopg2.Error as error:
            raise translate(error, is_disconnect=False) or error from error
        if source.error:
            raise source.error

    @override
    def analyze(self, connection: Connection, table: Table) -> None:
        connection.exec_driver_sql(
            f"SET LOCAL default_statistics_target = {STATISTICS_TARGET}; "
            f"ANALYZE {table.name}; SET LOCAL default_statistics_target TO DEFAULT"
        )

    @override
    @contextmanager
    def bulk_load(self, connection: Connection, table: Table) -> Iterator[None]:
        if not connection.scalar(_OWNS, {"table": table.name}):
            yield  # only the owner may drop indexes and constraints; another role loads the slower way
            return
        connection.execute(_EXCLUSIVE_LOCK)
        keys: list[Constraint] = list(table.foreign_key_constraints)
        referenced = {column.table for each in table.metadata.tables.values() for column in _references(each)}
        if table not in referenced:
            keys.append(table.primary_key)
        for key in keys:
            connection.execute(DropConstraint(key))
        with without_indexes(connection, table):
            yield
        for key in keys:
            connection.execute(AddConstraint(key, isolate_from_table=False))


def _references(table: Table) -> Iterator[Column[Any]]:
    return (key.column for key in table.foreign_keys)


# All tables before the first load changes one, and in the order in which reads lock them: else a reader could hold one
# lock and wait for another, while the sync holds that one and waits for the first.
_EXCLUSIVE_LOCK = text("LOCK TABLE payments, patients, payment_totals IN ACCESS EXCLUSIVE MODE")

_OWNS = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = CAST(:table AS regclass)")
