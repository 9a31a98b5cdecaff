"""The port PracticeRegistry: practices as schemas of a PostgreSQL database, marked by a comment on each."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any

from sqlalchemy import Column, Connection, Engine, bindparam, column, literal, select, table, text, union_all
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from paymentagg.adapters.sql import schema, unknown_practice
from paymentagg.adapters.sql.engines import postgresql
from paymentagg.adapters.sql.engines.search_path import PRACTICE
from paymentagg.adapters.sql.grants import grant
from paymentagg.domain.errors import (
    InvalidParameter,
    PaymentAggError,
    PracticeArchived,
    PracticeNotFound,
    StorageUnavailable,
)
from paymentagg.domain.ports import PracticeRegistry
from paymentagg.domain.practices import Practice, PracticeState

_COMMENTS = {PracticeState.LIVE: "paymentagg practice", PracticeState.ARCHIVED: "paymentagg practice, archived"}
"""What the comment on a schema says about the practice; the comment is dumped and restored with the schema."""

_STATES = {comment: state for state, comment in _COMMENTS.items()}
_TAKEN = ("42P06", "23505")
"""The SQLSTATEs of a schema that exists, or that another session creates at the same time."""
_AT_ONCE = 100
"""How many schemas are read in one statement."""

_ALL = text(
    "SELECT nspname, obj_description(oid, 'pg_namespace'),"
    " to_regclass(format('%I.alembic_version', nspname)) IS NOT NULL FROM pg_namespace"
    " WHERE obj_description(oid, 'pg_namespace') = ANY(:comments) ORDER BY nspname"
).bindparams(comments=list(_STATES))
_COMMENT = text("SELECT obj_description(to_regnamespace(:name), 'pg_namespace')").bindparams(bindparam("name"))


class PracticeDialect(postgresql.Dialect):
    """The operations of a sync in one of many practices."""

    @override
    def lock(self, connection: Connection) -> None:
        """Make this the only sync of the practice.

        Raises:
            SyncInProgress: another sync holds the lock.
            PracticeArchived: nothing in the practice may be changed.
        """
        super().lock(connection)
        name: str = connection.get_execution_options()[PRACTICE]
        if _state(connection, name) is PracticeState.ARCHIVED:
            raise PracticeArchived(name)


class SqlPractices(PracticeRegistry):
    """The practices of a PostgreSQL database.

    Args:
        engine: an engine for writing, which sees no practice.
        options: returns the execution options with which it sees the practice of a name.
        reopen: returns such an engine in another process; like ``options``, it can be pickled.
    """

    def __init__(self, engine: Engine, options: Callable[[str], dict[str, Any]], reopen: Callable[[], Engine]) -> None:
        self._engine = engine
        self._options = options
        self._reopen = reopen

    @override
    def all(self) -> list[Practice]:
        with self._engine.connect() as connection:
            return read_all(connection)

    @override
    def create(self, name: str) -> None:
        unknown_practice.provide(self._engine)
        try:
            with self._changing(name) as connection:
                connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
                schema.migrate(connection)
                _mark(connection, name, PracticeState.LIVE)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _TAKEN:
                raise
            reason = f"{name} is a schema already; paymentagg-practices list shows all practices"
            raise InvalidParameter("NAME", reason) from error

    @override
    def archive(self, name: str) -> None:
        with self._changing(name) as connection:
            _required_state(connection, name)
            postgresql.Dialect().lock(connection)
            _mark(connection, name, PracticeState.ARCHIVED)

    @override
    def migrate(self, names: Sequence[str], *, jobs: int = 1) -> Iterator[tuple[str, PaymentAggError | None]]:
        unknown_practice.provide(self._engine, renew=True)
        if jobs == 1:
            yield from ((name, self.migrated(name)) for name in names)
            return
        # Alembic keeps the migration that runs in the module, so what runs side by side needs processes of its own.
        context = get_context("spawn")
        with ProcessPoolExecutor(jobs, context, _begin, (self._options, self._reopen)) as pool:
            running = {pool.submit(_migrated, name): name for name in names}
            try:
                for done in as_completed(running):
                    message = done.result()
                    yield running[done], None if message is None else _Failure(message)
            finally:
                pool.shutdown(cancel_futures=True)

    def migrated(self, name: str) -> PaymentAggError | None:
        """Bring one practice to the newest revision; return the error that prevented it."""
        try:
            with self._changing(name) as connection:
                state = _required_state(connection, name)
                postgresql.Dialect().lock(connection)  # a sync of this practice would fail in the middle
                schema.migrate(connection)
                grant(connection, name, writable=state is PracticeState.LIVE)
        except PaymentAggError as error:
            return error
        except DBAPIError as error:  # something in this schema isn't as the migrations have made it
            sqlstate = getattr(error.orig, "pgcode", None)
            return StorageUnavailable(f"its migration failed with SQLSTATE {sqlstate}; PostgreSQL's log says more")
        return None

    @contextmanager
    def _changing(self, name: str) -> Iterator[Connection]:
        """Yield a connection that sees one practice, in a transaction for the block."""
        engine = self._engine.execution_options(**self._options(name))
        with engine.connect().execution_options(writing=True) as connection, connection.begin():
            yield connection


def read_all(connection: Connection) -> list[Practice]:
    """Return all practices, ordered by name."""
    rows = iter(connection.execute(_ALL).all())
    found: list[Practice] = []
    while some := list(islice(rows, _AT_ONCE)):
        revisions = _revisions(connection, [name for name, _, has_revision in some if has_revision])
        found += [Practice(name, revisions.get(name), _STATES[comment]) for name, comment, _ in some]
    return found


class _Failure(PaymentAggError):
    """An error in another process, of which only the message is left."""

    code = "database-unavailable"
    is_failure = True


_here: SqlPractices | None = None
"""The practices in a process that migrates some of them."""


def _begin(options: Callable[[str], dict[str, Any]], reopen: Callable[[], Engine]) -> None:
    """Prepare a process for ``_migrated``. Only the first process answers to Ctrl-C."""
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _here = SqlPractices(reopen(), options, reopen)


def _migrated(name: str) -> str | None:
    """Migrate a practice in a process of a pool; return the message of the error, if any."""
    assert _here is not None  # noqa: S101  _begin was called
    error = _here.migrated(name)
    return None if error is None else str(error)


def _mark(connection: Connection, name: str, state: PracticeState) -> None:
    """Give a practice its state, and the role of the server the privileges that it has then."""
    connection.exec_driver_sql(f"COMMENT ON SCHEMA \"{name}\" IS '{_COMMENTS[state]}'")
    grant(connection, name, writable=state is PracticeState.LIVE)


def _state(connection: Connection, name: str) -> PracticeState | None:
    """Return the state of a practice, None if the schema is none."""
    return _STATES.get(connection.scalar(_COMMENT, {"name": f'"{name}"'}) or "")


def _required_state(connection: Connection, name: str) -> PracticeState:
    """Return the state of a practice.

    Raises:
        PracticeNotFound: there is none of this name.
    """
    state = _state(connection, name)
    if state is None:
        raise PracticeNotFound(name)
    return state


def _revisions(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Return the revisions of practices, each of which has one."""
    if not names:
        return {}
    revision: Column[str] = column("version_num")  # type: ignore[assignment]
    each = [select(literal(name), revision).select_from(table("alembic_version", schema=name)) for name in names]
    return {row[0]: row[1] for row in connection.execute(union_all(*each))}
