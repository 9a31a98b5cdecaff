"""The progress of a job, which any thread may read, and the request to end it early."""

import threading
import time
import uuid
from collections.abc import Callable

import msgspec

from paymentagg.entrypoints.pages.work.errors import Abandoned


class Progress(msgspec.Struct, frozen=True):
    """What a job does now, in words such as ``reading patients``.

    ``fraction`` is the share of the file's bytes that is read, 0 to 1; None while nothing is read. ``seconds`` is the
    time since the job began.
    """

    phase: str
    fraction: float | None
    seconds: float


class Attempt:
    """One run of a job; ``id`` is its name in the audit log and in the server's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = str(uuid.uuid4())
        self.is_committing = False
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()
        self._phase = "starting"
        self._size = 0
        self._read = 0
        self._abandoned = threading.Event()

    @property
    def progress(self) -> Progress:
        """What it does now."""
        with self._lock:
            fraction = min(self._read / self._size, 1.0) if self._size else None
            return Progress(self._phase, fraction, self._clock() - self._since)

    def enter(self, phase: str) -> None:
        """Show a phase; nothing if it is the present one."""
        with self._lock:
            if phase != self._phase:
                self._phase, self._size, self._read = phase, 0, 0

    def read(self, phase: str, count: int, size: int) -> None:
        """Add to the bytes of a file that are read in a phase; ``size`` is that of the file."""
        self.enter(phase)
        with self._lock:
            self._size = size
            self._read += count

    def commit_begins(self) -> None:
        """Show that the transaction is being committed: if it fails now, all or nothing was changed."""
        self.enter("committing")
        self.is_committing = True

    def abandon(self) -> None:
        """Make ``check`` raise from now on."""
        self._abandoned.set()

    def check(self) -> None:
        """Check whether the result is still wanted.

        Raises:
            Abandoned: it isn't.
        """
        if self._abandoned.is_set():
            raise Abandoned
