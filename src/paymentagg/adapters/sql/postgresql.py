"""What only PostgreSQL does: the lock, COPY, errors by SQLSTATE."""

import codecs
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from select import POLLIN, poll
from typing import Any

import psycopg2
from psycopg2.extensions import encodings
from sqlalchemy import (
    URL,
    Column,
    Connection,
    Constraint,
    Engine,
    Select,
    Table,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from sqlalchemy.schema import AddConstraint, DropConstraint
from typing_extensions import Buffer

from paymentagg.adapters.sql.dialect import Rows, without_indexes
from paymentagg.domain.errors import PaymentAggError, StorageUnavailable, SyncInProgress

LOCK_KEY = 0x7061796D  # "paym": one number among the advisory locks of the database
LOCK_NOT_AVAILABLE = "55P03"
READ_ONLY = "25006"
_OUT_OF_ORDER = {
    "08",  # connection exception
    "28",  # invalid authorization
    "3D",  # no such database
    "40",  # transaction rollback: a deadlock
    "53",  # insufficient resources
    "57",  # operator intervention
    "58",  # system error
}

_OLD_SCHEMA = "its schema is missing or old; run: alembic -c production.ini upgrade head"
_WORDS = {
    LOCK_NOT_AVAILABLE: "a first load or a migration keeps a table to itself; try again when it is done",
    "42501": "its role lacks a right; docs/roles.sql grants those that are needed",
    "42P01": _OLD_SCHEMA,  # undefined table
    "42703": _OLD_SCHEMA,  # undefined column
    "57014": "one statement took too long and was given up; try again when less is going on",
}

_WITHOUT_SERVER = (psycopg2.OperationalError, psycopg2.InterfaceError)

_OPTIONS = {
    "timezone": "UTC",
    "application_name": "paymentagg",
    "client_connection_check_interval": "2s",  # a statement ends, and its locks go, when its client was killed
    "idle_in_transaction_session_timeout": "10min",
}
# A lock that isn't free is told before the statement as a whole takes too long, so that the words say why.
_READING = {"default_transaction_read_only": "on", "lock_timeout": "4s", "statement_timeout": "5s"}
# A sync waits for another as long as for any lock. COPY goes on for as long as a snapshot comes through a pipe.
_WRITING = {"default_transaction_read_only": "off", "lock_timeout": "5s", "statement_timeout": "1h"}

EXPORT_TIMEOUT = "SET LOCAL statement_timeout = '60s'"
"""An export's first rows may have to be sorted first; the others come in statements of their own."""

_ALIVE = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""How soon a server that is gone without a word is found out."""


def connect(url: URL, *, read_only: bool) -> Engine:
    """Return an engine for a PostgreSQL database; without a transaction around each statement where it only reads."""
    _use_codec()
    settings = _OPTIONS | (_READING if read_only else _WRITING)
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    engine = create_engine(
        url.set(drivername="postgresql+psycopg2"),
        connect_args=_ALIVE | {"options": options},
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        hide_parameters=True,
        poolclass=_Pool,
        pool_pre_ping=not read_only,
        pool_size=8,
        max_overflow=2,
        pool_timeout=5,
        pool_recycle=1800,
    )
    if read_only:
        event.listen(engine, "checkout", _look)  # a page is one statement: a ping would double it
    return engine


def _look(connection: Any, *_: object) -> None:
    """Let the pool connect anew where the server has closed a connection: its farewell is there to be read."""
    look = poll()
    look.register(connection, POLLIN)
    if look.poll(0):
        raise InvalidatePoolError


def translate(error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:
    """Return what the user is told of a driver's error, None where it is a bug."""
    if not isinstance(error, psycopg2.Error):
        return None
    sqlstate = error.pgcode
    if sqlstate in _WORDS:
        return StorageUnavailable(_WORDS[sqlstate])
    if is_disconnect or (sqlstate is None and isinstance(error, _WITHOUT_SERVER)):
        return StorageUnavailable("PostgreSQL can't be reached; is it running, and is the URL right?")
    if sqlstate is not None and (sqlstate == READ_ONLY or sqlstate[:2] in _OUT_OF_ORDER):
        return StorageUnavailable(f"PostgreSQL doesn't answer as it should (SQLSTATE {sqlstate})")
    return None


class _Pool(QueuePool):
    """A pool whose time-out is an error of the domain; it is none of the driver's, so ``translate`` never sees it."""

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout as error:
            raise StorageUnavailable("all its connections are in use") from error


class PostgresqlSync:
    """See SyncEngine."""

    def lock(self, connection: Connection) -> None:
        # READ COMMITTED, so that what comes after the wait sees what the other sync has written.
        try:
            connection.execute(select(func.pg_advisory_xact_lock(LOCK_KEY)))
        except StorageUnavailable as error:
            if getattr(error.__cause__, "pgcode", None) == LOCK_NOT_AVAILABLE:
                raise SyncInProgress from error
            raise

    def clear(self, connection: Connection, *tables: Table) -> None:
        connection.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)}"))

    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        # As a rule few pairs differ, which no statistics can tell: it pays to join in parallel. Only CREATE TABLE AS
        # can, an INSERT can't.
        connection.execute(text("SET LOCAL parallel_tuple_cost = 0"))
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        query = pairs.compile(connection)
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {table.name} ({columns}) ON COMMIT DROP AS {query}")
        connection.execute(text("SET LOCAL parallel_tuple_cost TO DEFAULT"))

    def load(self, connection: Connection, table: Table, batches: Iterable[Rows]) -> None:
        source = _CopySource(_copy_text(batches, len(table.columns)))
        try:
            cursor: Any = connection.connection.cursor()
            cursor.copy_expert(f"COPY {table.name} FROM STDIN WITH (NULL '')", source)
            cursor.close()
        except psycopg2.Error as error:
            raise translate(error, is_disconnect=False) or error from error
        if source.error:
            raise source.error

    def analyze(self, connection: Connection, table: Table) -> None:
        connection.execute(text(f"ANALYZE {table.name}"))

    @contextmanager
    def filling(self, connection: Connection, table: Table) -> Iterator[None]:
        if not connection.scalar(_OWNED, {"table": table.name}):
            yield  # another role than the owner fills the table the slower way
            return
        connection.execute(_LOCK_READERS_OUT)
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


# In the order in which reads lock them, and all of them before the first load touches one: else a reader would hold the
# one and wait for the other, and the sync the other way round.
_LOCK_READERS_OUT = text("LOCK TABLE payments, patients, payment_totals IN ACCESS EXCLUSIVE MODE")

_OWNED = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = CAST(:table AS regclass)")


class _CopySource:
    """The file that psycopg2 reads COPY's input from: each read returns the next batch.

    An error of the snapshot ends the input and is kept: psycopg2 would turn it into one of its own.
    """

    def __init__(self, texts: Iterator[bytes]) -> None:
        self._texts = texts
        self.error: BaseException | None = None

    def read(self, _: int) -> bytes:
        try:
            return next(self._texts, b"")
        except BaseException as error:  # noqa: BLE001  an interrupt too, raised again by load
            self.error = error
            return b""


def _copy_text(batches: Iterable[Rows], width: int) -> Iterator[bytes]:
    """Yield COPY's text format. No value holds a tab or a line end, or is empty, so only backslashes want care."""
    line = "\t".join(["%s"] * width) + "\n"
    for rows in batches:
        values = tuple(chain.from_iterable(rows))
        if None in values:
            values = tuple("" if value is None else value for value in values)
        if values:
            yield (line * (len(values) // width) % values).replace("\\", "\\\\").encode()


_CODEC = "paymentagg_utf_8"


def _use_codec() -> None:
    """Let psycopg2 decode the server's messages by ``_decode``."""
    if encodings["UTF8"] != _CODEC:
        codecs.register(_find_codec)
        encodings["UTF8"] = _CODEC


def _find_codec(name: str) -> codecs.CodecInfo | None:
    return codecs.CodecInfo(codecs.utf_8_encode, _decode, name=_CODEC) if name == _CODEC else None


def _decode(data: Buffer, errors: str = "strict", /) -> tuple[str, int]:
    """Decode UTF-8, even if psycopg2 has already set an exception.

    If the server ends a connection during COPY, libpq reports two errors: the shutdown, then the lost connection.
    psycopg2 2.9 sets the exception of the first, and then calls this for the message of the second (pq_raise in its
    pqpath.c). With an exception set, a call fails with a SystemError, which psycopg2 would print to standard error; its
    cause quotes a row of the snapshot.
    """
    try:
        raise Exception  # clears the exception that is set
    except Exception:  # noqa: BLE001, S110  a SystemError if one was set
        pass
    return codecs.utf_8_decode(data, errors, True)
