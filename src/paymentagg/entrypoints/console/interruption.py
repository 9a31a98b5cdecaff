"""Handles SIGINT and SIGTERM: they interrupt a sync until its commit begins, but not later."""

import enum
import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(BaseException):
    """A signal interrupted the process. Not an Exception, so that ``except Exception`` doesn't swallow it."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number


class Stage(enum.Enum):
    """The progress of the commit of a sync."""

    BEFORE_COMMIT = enum.auto()
    COMMITTING = enum.auto()
    COMMITTED = enum.auto()


class Interruption:
    """A context in which the first signal before ``commit_begins`` raises Interrupted; ``signal`` is that signal.

    Further signals are ignored.

    The interrupted code may lose the exception or replace it with another one (drivers do if it is raised in their
    callbacks), so ``surfacing`` raises it again.

    Args:
        is_last: the process only ends after the context, so signals are ignored then.
    """

    def __init__(self, *, is_last: bool) -> None:
        self._is_last = is_last
        self.stage = Stage.BEFORE_COMMIT
        self.signal: signal.Signals | None = None
        self._handlers_before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._wakeup_reader, self._wakeup_writer = os.pipe()
        os.set_blocking(self._wakeup_writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._wakeup_writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers_before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers_before.items():
            # No late signal must change the exit status, which says whether the sync is done.
            signal.signal(number, signal.SIG_IGN if self._is_last else handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._wakeup_reader)
        os.close(self._wakeup_writer)

    def wait_for(self, descriptor: int) -> None:
        """Wait until a file has data to read or is at its end.

        A blocking read would delay a signal that arrives just before it, since Python handles the signal only after
        the read. Python also writes each signal to a pipe, which ends this wait.

        Raises:
            Interrupted: a signal has arrived.
        """
        ready: list[int] = []
        while descriptor not in ready:
            ready, _, _ = select.select([descriptor, self._wakeup_reader], [], [])
            self._check()
            if self._wakeup_reader in ready:
                os.read(self._wakeup_reader, 64)

    @contextmanager
    def surfacing(self) -> Iterator[None]:
        """Replace any error within by Interrupted if a signal arrived before the commit began."""
        try:
            yield
        except BaseException:
            self._check()
            raise

    def commit_begins(self) -> None:
        """Only record signals from now on.

        Raises:
            Interrupted: a signal has already arrived.
        """
        self._check()
        self.stage = Stage.COMMITTING

    def committed(self) -> None:
        """Record that the commit is done."""
        self.stage = Stage.COMMITTED

    def _check(self) -> None:
        if self.signal is not None and self.stage is Stage.BEFORE_COMMIT:
            raise Interrupted(self.signal)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the signature is Python's
        if self.signal is not None:
            return  # a second signal must not interrupt the rollback
        self.signal = signal.Signals(number)
        self._check()
