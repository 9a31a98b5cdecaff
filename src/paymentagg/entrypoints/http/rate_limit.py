"""Rate limit for wrong keys: an address that sends too many is refused for a while, unless its key is right."""

import math
import threading
import time
from collections.abc import Callable

WRONG_KEYS = 20
"""Maximum of wrong keys that an address may send within a window."""

WINDOW = 60.0
"""Length of a window in seconds, from the first wrong key; an address with too many is refused until it ends."""

MAX_ADDRESSES = 10_000
"""Maximum of addresses in memory; above it, the oldest window is dropped."""


class Limiter:
    """Counts the wrong keys of each address, in the memory of this process.

    It takes over what all processes have counted when it is told, so that addresses which it refuses need no database.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}  # start of the window, wrong keys; oldest first

    def wait(self, address: str) -> int:
        """Return for how many more seconds an address is refused; 0 if it isn't."""
        began, wrong = self._windows.get(address, (0.0, 0))
        left = began + WINDOW - self._clock()
        return math.ceil(left) if wrong >= WRONG_KEYS and left > 0 else 0

    def limited(self) -> int:
        """Return how many addresses are refused now."""
        with self._lock:
            addresses = list(self._windows)
        return sum(self.wait(address) > 0 for address in addresses)

    def note(self, address: str) -> None:
        """Count a wrong key from an address."""
        with self._lock:
            now = self._clock()
            began, wrong = self._windows.get(address, (now, 0))
            if now >= began + WINDOW:
                del self._windows[address]
                began, wrong = now, 0
            elif address not in self._windows and len(self._windows) >= MAX_ADDRESSES:
                del self._windows[next(iter(self._windows))]
            self._windows[address] = (began, wrong + 1)

    def take_over(self, address: str, wrong: int, age: float) -> None:
        """Take over the count of all processes if it is larger than that of this one.

        Args:
            age: how many seconds ago its window began; the clocks of hosts may differ.
        """
        with self._lock:
            if wrong > self._windows.get(address, (0.0, 0))[1]:
                self._windows[address] = (self._clock() - min(max(age, 0.0), WINDOW), wrong)
