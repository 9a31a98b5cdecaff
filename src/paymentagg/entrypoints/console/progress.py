"""Shows the progress of a sync: a bar on a terminal, else a line every ten seconds."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from typing_extensions import override

if TYPE_CHECKING:
    from tqdm import tqdm

INTERVAL = 10.0
"""Seconds between two lines."""

TICK = 0.5
"""Seconds after which the time that a phase has taken is shown again."""


class Progress(Protocol):
    """Shows the progress of a sync: of each snapshot while it is read, then the phases in which the database works."""

    def begin(self, name: str, size: int | None) -> None:
        """Start with reading a snapshot of ``size`` bytes, None if the size is unknown."""

    def read(self, count: int) -> None:
        """Add to the number of bytes read."""

    def rows(self, count: int) -> None:
        """Add to the number of rows read."""

    def enter(self, phase: str) -> None:
        """End what is shown, and show this phase and the time that it takes."""

    def end(self) -> None:
        """End what is shown, whether it succeeded or failed. May be called more than once."""


class Ticking:
    """Calls a function every ``seconds`` in a thread of its own, until ``stop``: the database has the main thread."""

    def __init__(self, call: Callable[[], None], seconds: float = TICK) -> None:
        self._stopped = threading.Event()
        self._call = call
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when the function is not and will not be called any more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._call()


class Silence(Progress):
    """No progress output."""

    @override
    def begin(self, name: str, size: int | None) -> None: ...

    @override
    def read(self, count: int) -> None: ...

    @override
    def rows(self, count: int) -> None: ...

    @override
    def enter(self, phase: str) -> None: ...

    @override
    def end(self) -> None: ...


class Lines(Progress):
    """A line every ten seconds, the first after ten seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = say
        self._clock = clock
        self._last_line = clock()
        self._ticking: Ticking | None = None
        self.begin("", None)

    @override
    def begin(self, name: str, size: int | None) -> None:
        self.end()
        self._name = name
        self._size = size
        self._bytes = self._rows = 0

    @override
    def read(self, count: int) -> None:
        self._bytes += count
        self._print_if_due(self._reading)

    @override
    def rows(self, count: int) -> None:
        self._rows += count
        self._print_if_due(self._reading)

    @override
    def enter(self, phase: str) -> None:
        self.end()
        self._name = phase
        self._since = self._clock()
        self._ticking = Ticking(self.tick)

    def tick(self) -> None:
        """Print the line of the phase, if it is due."""
        self._print_if_due(lambda: f"{self._name}: {self._clock() - self._since:.0f} s")

    @override
    def end(self) -> None:
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None

    def _print_if_due(self, line: Callable[[], str]) -> None:
        now = self._clock()
        if now - self._last_line >= INTERVAL:
            self._last_line = now
            self._write(line())

    def _reading(self) -> str:
        share = f" of {self._size:,} bytes ({100 * self._bytes // self._size} %)" if self._size else " bytes"
        return f"{self._name}: {self._bytes:,}{share}, {self._rows:,} rows read"


class Bar(Progress):
    """A progress bar on a terminal, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[NoReturn] | None = None
        self._ticking: Ticking | None = None
        self._rows = 0
        self._since = 0.0

    @override
    def begin(self, name: str, size: int | None) -> None:
        self._rows = 0
        self._since = time.monotonic()
        self._show(f"reading {name}", size)

    @override
    def read(self, count: int) -> None:
        if self._bar is not None:
            self._bar.update(count)

    @override
    def rows(self, count: int) -> None:
        self._rows += count
        if self._bar is not None:
            rate = self._rows / max(time.monotonic() - self._since, 0.001)
            self._bar.set_postfix_str(f"{self._rows:,} rows, {rate:,.0f} rows/s", refresh=False)

    @override
    def enter(self, phase: str) -> None:
        self._show(phase, None, layout="{desc} {elapsed}")
        self._ticking = Ticking(self.tick)

    def tick(self) -> None:
        """Draw the bar again."""
        if self._bar is not None:
            with suppress(OSError):  # the terminal is gone; an error in a thread would be printed as a traceback
                self._bar.refresh()

    @override
    def end(self) -> None:
        if self._ticking is not None:
            self._ticking.stop()
            self._ticking = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, text: str, size: int | None, layout: str | None = None) -> None:
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # no monitor thread
        tqdm.set_lock(threading.RLock())  # the default lock would start multiprocessing
        self.end()
        self._bar = tqdm(
            desc=text,
            total=size or None,
            unit="B",
            unit_scale=True,
            file=self._stream,
            leave=False,
            dynamic_ncols=True,
            bar_format=layout,
        )
