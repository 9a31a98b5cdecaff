"""SIGINT and SIGTERM: they end a sync as long as it can be undone, and not in the middle of its commit."""

import enum
import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(BaseException):
    """The process was asked to stop. No Exception: nothing that catches those may swallow it."""


class Stage(enum.Enum):
    """How far a sync is on the way to being kept."""

    BEFORE_COMMIT = enum.auto()
    COMMITTING = enum.auto()
    COMMITTED = enum.auto()


class Interruption:
    """While entered, the first signal raises Interrupted, until ``commit_begins``; ``signal`` is the one that came.

    Code in between may lose the exception or turn it into another (drivers do, where it is raised inside their
    callbacks), so ``interrupted`` is what counts.
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

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the sync before anything was kept."""
        return self.signal is not None and self.stage is Stage.BEFORE_COMMIT

    def wait_for(self, descriptor: int) -> None:
        """Wait until a file has something to read, or is at its end.

        A read that simply blocks would miss a signal that comes just before it: Python only notes the signal then,
        and acts on it after the read. The pipe that Python writes to at each signal ends this waiting in any case.

        Raises:
            Interrupted: a signal has come, be it that the exception was lost on its way before.
        """
        ready: list[int] = []
        while descriptor not in ready:
            ready, _, _ = select.select([descriptor, self._woken], [], [])
            if self.interrupted:
                raise Interrupted
            if self._woken in ready:
                os.read(self._woken, 64)

    def commit_begins(self) -> None:
        """From here on signals are only noted.

        Raises:
            Interrupted: a signal has come before.
        """
        self.stage = Stage.COMMITTING
        if self.signal is not None:
            self.stage = Stage.BEFORE_COMMIT
            raise Interrupted

    def committed(self) -> None:
        self.stage = Stage.COMMITTED

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the signature is Python's
        if self.signal is not None:
            return  # the first one is being obeyed; another must not break the roll back
        self.signal = signal.Signals(number)
        if self.stage is Stage.BEFORE_COMMIT:
            raise Interrupted
