"""Limits for concurrent long requests in a process: each occupies a thread, and short reads need some too."""

from collections.abc import Callable
from threading import Lock

from pyramid.config import Configurator

from paymentagg.domain.errors import PaymentAggError, SyncInProgress
from paymentagg.entrypoints.http.errors import TooManyExports

SYNCS = 2
"""Concurrent sync requests: one that runs, and one that waits for it."""

EXPORTS = 3
"""Concurrent exports of more than one batch, which last as long as their clients read. Others aren't limited."""


class _Slots:
    """A number of slots for requests of one kind, and the error if none is free."""

    def __init__(self, count: int, error: type[PaymentAggError]) -> None:
        self._free = count
        self._error = error
        self._lock = Lock()

    def check(self) -> None:
        """Raise the error if no slot is free."""
        if not self._free:
            raise self._error

    def take(self) -> Callable[..., None]:
        """Take a slot and return the function that releases it; raise the error if none is free."""
        with self._lock:
            self.check()
            self._free -= 1
        return self._release

    def _release(self, *_: object) -> None:
        with self._lock:
            self._free += 1


class Concurrency:
    """The slots for syncs and large exports in this process."""

    def __init__(self) -> None:
        self._syncs = _Slots(SYNCS, SyncInProgress)
        self._exports = _Slots(EXPORTS, TooManyExports)

    def check_sync_slot(self) -> None:
        """Check whether a slot for a sync is free, and take none.

        Raises:
            SyncInProgress: no slot is free.
        """
        self._syncs.check()

    def take_sync_slot(self) -> Callable[..., None]:
        """Take a slot for a sync and return the function that releases it.

        Raises:
            SyncInProgress: no slot is free.
        """
        return self._syncs.take()

    def take_export_slot(self) -> Callable[..., None]:
        """Take a slot for a large export and return the function that releases it.

        Raises:
            TooManyExports: no slot is free.
        """
        return self._exports.take()


def includeme(config: Configurator) -> None:
    """Set ``concurrency`` in the registry."""
    config.registry.concurrency = Concurrency()
