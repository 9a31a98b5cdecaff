"""Whether a replica of a PostgreSQL database, a hot standby, can be read now.

One thread of the process asks the standby regularly, so no request waits for one that is gone: after the first read
that fails, reads go to the primary until the thread has found the standby in order again.
"""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from weakref import ref

from sqlalchemy import Connection, Engine, func, select, text

from paymentagg.adapters.sql import schema
from paymentagg.adapters.sql.engines import deadlines, postgresql
from paymentagg.adapters.sql.engines.search_path import PRACTICE
from paymentagg.domain.errors import StorageUnavailable

log = logging.getLogger(__name__)

INTERVAL = 2.0
"""Seconds between two checks of a standby; each of them takes at most as long, once there is a connection."""

PATIENCE = 2.0
"""Seconds that a read waits until the standby has a sync."""

FORBEARANCE = 5.0
"""Seconds after such a wait was in vain in which no other read waits: it would keep a thread of the server."""

_SYSTEM = text("SELECT system_identifier FROM pg_control_system()")


class NotInRecovery(StorageUnavailable):
    """The server that is named as a replica isn't one, or isn't one any more."""

    def __init__(self) -> None:
        super().__init__("it isn't in recovery, so it is no replica")


class StandbyState:
    """What this process knows about a standby.

    Args:
        readers: the pool of connections to the standby.
        primary: the pool for reading from the primary.
        has_schema: whether the tables are found without a practice.
    """

    def __init__(self, readers: Engine, primary: Engine, *, has_schema: bool) -> None:
        self._readers = readers
        self._primary = primary
        self._has_schema = has_schema
        self._is_available = False
        self._reason: str | None = None  # why it isn't, if the log says so
        self._lock = Lock()
        self._thread: Thread | None = None
        self._practices: set[object] = set()  # whose schema was found to be right, which doesn't change any more
        self._impatient_until = 0.0

    @property
    def is_available(self) -> bool:
        """Whether it was in order at the last check and at every read since; the first call begins to check."""
        if self._thread is None or not self._thread.is_alive():  # a process that was forked has no thread
            self._start()
        return self._is_available

    @property
    def is_late(self) -> bool:
        """Whether a read has waited in vain a moment ago."""
        return time.monotonic() < self._impatient_until

    def note_late(self) -> None:
        """Note that a read has waited in vain."""
        self._impatient_until = time.monotonic() + FORBEARANCE

    def check_schema(self, connection: Connection) -> None:
        """Check that the schema of the connection's practice is that of this code, once in this process.

        Raises:
            StorageUnavailable: it isn't; the standby may be behind a migration.
        """
        practice = connection.get_execution_options().get(PRACTICE)
        if practice not in self._practices:
            schema.check(connection)
            self._practices.add(practice)

    def note_failure(self, error: StorageUnavailable) -> None:
        """Note that a read has failed; the standby isn't read again before it was checked, if that is the reason."""
        if isinstance(error, NotInRecovery) or postgresql.is_of_server(error):
            self._set(str(error))

    def check(self) -> None:
        """Ask the standby, and note whether it can be read."""
        try:
            with self._readers.connect() as connection:
                deadlines.limit(connection, INTERVAL)
                self._check(connection)
        except StorageUnavailable as error:
            self._set(str(error))
        else:
            self._set(None)

    def _check(self, connection: Connection) -> None:
        if not connection.scalar(select(func.pg_is_in_recovery())):
            raise NotInRecovery
        try:
            with self._primary.connect() as primary:
                system = primary.scalar(_SYSTEM)
        except StorageUnavailable:
            system = None  # data can be read all the same
        if system is not None and connection.scalar(_SYSTEM) != system:
            raise StorageUnavailable("it is a replica of another server")
        if self._has_schema:
            self.check_schema(connection)

    def _set(self, reason: str | None) -> None:
        """Note that the standby is available, or the reason why it isn't; log what changes."""
        with self._lock:
            self._is_available = reason is None
            if reason is not None and self._reason is None:
                log.warning("the replica isn't read, and the primary is instead: %s", reason)
            elif reason is None and self._reason is not None:
                log.warning("the replica is read again")
            self._reason = reason

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=_keep_checking, args=(ref(self),), name="standby", daemon=True)
                self._thread.start()


def _keep_checking(found: Callable[[], StandbyState | None]) -> None:
    """Check a standby until nothing else refers to it."""
    pause = Event()
    while (state := found()) is not None:
        state.check()
        del state
        pause.wait(INTERVAL)
