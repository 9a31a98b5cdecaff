"""How far the reading of a snapshot is: a bar on a terminal, else a line every ten seconds."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

INTERVAL = 10.0
"""Seconds from one line to the next."""


class Progress(Protocol):
    """Hears how far the reading of one snapshot after the other is."""

    def begin(self, name: str, size: int | None) -> None:
        """A snapshot of ``size`` bytes is about to be read; None: it can't be known."""

    def read(self, count: int) -> None:
        """So many more bytes were read."""

    def rows(self, count: int) -> None:
        """So many more rows were found."""

    def end(self) -> None:
        """This snapshot is done, for good or bad; may be called again."""


class Silence:
    """Shows nothing."""

    def begin(self, name: str, size: int | None) -> None: ...

    def read(self, count: int) -> None: ...

    def rows(self, count: int) -> None: ...

    def end(self) -> None: ...


class Lines:
    """A line every ten seconds, the first after ten seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._said = clock()
        self.begin("", None)

    def begin(self, name: str, size: int | None) -> None:
        self._name = name
        self._size = size
        self._bytes = self._rows = 0

    def read(self, count: int) -> None:
        self._bytes += count
        self._look()

    def rows(self, count: int) -> None:
        self._rows += count
        self._look()

    def end(self) -> None: ...

    def _look(self) -> None:
        now = self._clock()
        if now - self._said < INTERVAL:
            return
        self._said = now
        share = f" of {self._size:,} bytes ({100 * self._bytes // self._size} %)" if self._size else " bytes"
        self._say(f"{self._name}: {self._bytes:,}{share}, {self._rows:,} rows read")


class Bar:
    """A bar that is drawn anew in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None
        self._rows = 0

    def begin(self, name: str, size: int | None) -> None:
        import threading

        from tqdm import tqdm

        tqdm.monitor_interval = 0  # no thread that draws: one process, one thread
        tqdm.set_lock(threading.RLock())  # its own choice would start up multiprocessing
        self.end()
        self._rows = 0
        self._bar = tqdm(
            desc=name, total=size or None, unit="B", unit_scale=True, file=self._stream, leave=False, dynamic_ncols=True
        )

    def read(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    def rows(self, count: int) -> None:
        self._rows += count
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._rows:,} rows", refresh=False)

    def end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
