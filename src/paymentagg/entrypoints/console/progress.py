"""Shows the progress of reading snapshots: a bar on a terminal, else a line every ten seconds."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from typing_extensions import override

if TYPE_CHECKING:
    from tqdm import tqdm

INTERVAL = 10.0
"""Seconds between two lines."""


class Progress(Protocol):
    """Shows the progress of reading snapshots, one after the other."""

    def begin(self, name: str, size: int | None) -> None:
        """Start with a snapshot of ``size`` bytes, None if the size is unknown."""

    def read(self, count: int) -> None:
        """Add to the number of bytes read."""

    def rows(self, count: int) -> None:
        """Add to the number of rows read."""

    def end(self) -> None:
        """End the progress of this snapshot, whether it succeeded or failed. May be called more than once."""


class Silence(Progress):
    """No progress output."""

    @override
    def begin(self, name: str, size: int | None) -> None: ...

    @override
    def read(self, count: int) -> None: ...

    @override
    def rows(self, count: int) -> None: ...

    @override
    def end(self) -> None: ...


class Lines(Progress):
    """A line every ten seconds, the first after ten seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = say
        self._clock = clock
        self._last_line = clock()
        self.begin("", None)

    @override
    def begin(self, name: str, size: int | None) -> None:
        self._name = name
        self._size = size
        self._bytes = self._rows = 0

    @override
    def read(self, count: int) -> None:
        self._bytes += count
        self._print_if_due()

    @override
    def rows(self, count: int) -> None:
        self._rows += count
        self._print_if_due()

    @override
    def end(self) -> None: ...

    def _print_if_due(self) -> None:
        now = self._clock()
        if now - self._last_line < INTERVAL:
            return
        self._last_line = now
        share = f" of {self._size:,} bytes ({100 * self._bytes // self._size} %)" if self._size else " bytes"
        self._write(f"{self._name}: {self._bytes:,}{share}, {self._rows:,} rows read")


class Bar(Progress):
    """A progress bar on a terminal, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None
        self._rows = 0

    @override
    def begin(self, name: str, size: int | None) -> None:
        import threading

        from tqdm import tqdm

        tqdm.monitor_interval = 0  # no monitor thread
        tqdm.set_lock(threading.RLock())  # the default lock would start multiprocessing
        self.end()
        self._rows = 0
        self._bar = tqdm(
            desc=name, total=size or None, unit="B", unit_scale=True, file=self._stream, leave=False, dynamic_ncols=True
        )

    @override
    def read(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    @override
    def rows(self, count: int) -> None:
        self._rows += count
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._rows:,} rows", refresh=False)

    @override
    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
