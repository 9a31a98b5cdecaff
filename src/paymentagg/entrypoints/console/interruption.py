"""SIGINT and SIGTERM: they interrupt a sync until it begins to commit, and not after that."""

import enum
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(BaseException):
    """A signal asked the process to stop. Not an Exception: code that catches those must not swallow it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number


class Stage(enum.Enum):
    """How far the commit of a sync is."""

    BEFORE_COMMIT = enum.auto()
    COMMITTING = enum.auto()
    COMMITTED = enum.auto()


class Interruption:
    """While entered, the first signal raises Interrupted, until ``commit_begins``; ``signal`` is the one that came.

    The code that the signal interrupts may lose the exception or replace it with another one (drivers do, if it is
    raised in their callbacks), so ``surfacing`` raises it again.
    """

    def __init__(self) -> None:
        self.stage = Stage.BEFORE_COMMIT
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._woken)
        os.close(self._wakes)

    def wait_for(self, descriptor: int) -> None:
        """Wait until a file has data to read, or is at its end.

        A blocking read would miss a signal that comes just before it: Python only notes the signal then, and handles
        it after the read. Python writes to a pipe at each signal, which ends this wait.

        Raises:
            Interrupted: a signal came, now or earlier.
        """
        ready: list[int] = []
        while descriptor not in ready:
            ready, _, _ = select.select([descriptor, self._woken], [], [])
            self._check()
            if self._woken in ready:
                os.read(self._woken, 64)

    @contextmanager
    def surfacing(self) -> Iterator[None]:
        """Raise Interrupted in place of any error within, if a signal came before the commit began."""
        try:
            yield
        except BaseException:
            self._check()
            raise

    def commit_begins(self) -> None:
        """From here on, only note signals.

        Raises:
            Interrupted: a signal came before.
        """
        self._check()
        self.stage = Stage.COMMITTING

    def committed(self) -> None:
        """Note that the commit is done."""
        self.stage = Stage.COMMITTED

    def _check(self) -> None:
        if self.signal is not None and self.stage is Stage.BEFORE_COMMIT:
            raise Interrupted(self.signal)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the signature is Python's
        if self.signal is not None:
            return  # a second signal must not interrupt the rollback
        self.signal = signal.Signals(number)
        self._check()
