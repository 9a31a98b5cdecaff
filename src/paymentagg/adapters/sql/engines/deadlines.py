"""Deadlines for reads from PostgreSQL, enforced by closing the connection.

A server that hangs, such as a stopped process or a frozen virtual machine, doesn't execute its own timeouts. Its kernel
still acknowledges packets, so those of TCP don't apply either, and libpq waits for a result without a limit. psycopg2's
wait callback would be a limit, but it is global and can't be combined with COPY.

One thread of the process therefore shuts down the sockets of all connections whose deadline has passed: the call that
waits for the server then fails as on any lost connection.
"""

import os
import time
from contextlib import suppress
from math import inf
from socket import SHUT_RDWR, socket
from threading import Condition, Thread
from typing import Any
from weakref import finalize

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

PAGE = 10.0
"""Seconds that a connection may be in use for reading pages; longer than PostgreSQL's own timeouts."""

EXPORT = 65.0
"""Seconds for each step of an export."""

_SOCKET = "paymentagg.socket"
"""Key in the ``info`` of a pooled connection: a duplicate of its socket, whose number can't be reused meanwhile."""


class _Watch:
    """The deadlines of this process, and the thread that enforces them."""

    def __init__(self) -> None:
        self._ends: dict[socket, float] = {}
        self._changed = Condition()
        self._next = inf  # when the thread will look at the deadlines, so that few of them have to wake it
        self._thread: Thread | None = None

    def begin(self, connection: socket, seconds: float) -> None:
        """Set the deadline of a connection."""
        with self._changed:
            end = self._ends[connection] = time.monotonic() + seconds
            if end < self._next:
                self._next = end
                self._changed.notify()
            if self._thread is None or not self._thread.is_alive():  # the first call in this process
                self._thread = Thread(target=self._enforce, name="deadlines", daemon=True)
                self._thread.start()

    def end(self, connection: socket) -> None:
        """Remove the deadline of a connection, if it has one."""
        with self._changed:
            self._ends.pop(connection, None)

    def _enforce(self) -> None:
        with self._changed:
            while True:
                self._next = min(self._ends.values(), default=inf)
                self._changed.wait(None if self._next == inf else max(0.0, self._next - time.monotonic()))
                now = time.monotonic()
                for late in [connection for connection, end in self._ends.items() if end <= now]:
                    del self._ends[late]
                    with suppress(OSError):  # it is closed already
                        late.shutdown(SHUT_RDWR)


_watch = _Watch()


def apply(engine: Engine) -> None:
    """Give each connection of a PostgreSQL engine a deadline, ``PAGE``, from its checkout until it is returned."""

    @event.listens_for(engine, "connect", insert=True)  # before SQLAlchemy's own first statements
    def connected(connection: Any, record: ConnectionPoolEntry) -> None:
        duplicate = record.info[_SOCKET] = socket(fileno=os.dup(connection.fileno()))
        finalize(connection, duplicate.close)
        _watch.begin(duplicate, PAGE)

    @event.listens_for(engine, "checkout")
    def checked_out(_connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        _watch.begin(record.info[_SOCKET], PAGE)

    @event.listens_for(engine, "checkin")
    def checked_in(_connection: Any, record: ConnectionPoolEntry) -> None:
        if _SOCKET in record.info:
            _watch.end(record.info[_SOCKET])


def limit(connection: Connection, seconds: float) -> None:
    """Give a connection in use a deadline of its own, until it is returned."""
    if _SOCKET in connection.info:
        _watch.begin(connection.info[_SOCKET], seconds)


class ExportDeadline:
    """The deadline of an export's connection: ``EXPORT`` for each step. Between two steps there is none.

    A connection whose engine has no deadlines never gets one.
    """

    def __init__(self, connection: Connection) -> None:
        self._socket: socket | None = connection.info.get(_SOCKET)

    def begin(self) -> None:
        """Set the deadline of a step that begins now."""
        if self._socket is not None:
            _watch.begin(self._socket, EXPORT)

    def end(self) -> None:
        """Remove the deadline."""
        if self._socket is not None:
            _watch.end(self._socket)
