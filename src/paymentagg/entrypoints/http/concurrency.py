"""Limits for concurrent long requests in a process: each occupies a thread, and short reads need some too."""

from collections.abc import Callable
from threading import BoundedSemaphore

from pyramid.config import Configurator

from paymentagg.domain.errors import SyncInProgress
from paymentagg.entrypoints.http.errors import TooManyExports

SYNCS = 2
"""Concurrent sync requests: one that runs, and one that waits for it."""

EXPORTS = 3
"""Concurrent exports of more than one batch, which last as long as their clients read. Others aren't limited."""


class Concurrency:
    """The slots for syncs and large exports in this process."""

    def __init__(self) -> None:
        self._syncs = BoundedSemaphore(SYNCS)
        self._exports = BoundedSemaphore(EXPORTS)

    def take_sync_slot(self) -> Callable[..., None]:
        """Take a slot for a sync and return the function that releases it.

        Raises:
            SyncInProgress: no slot is free.
        """
        if not self._syncs.acquire(blocking=False):
            raise SyncInProgress
        return lambda *_: self._syncs.release()

    def take_export_slot(self) -> Callable[..., None]:
        """Take a slot for a large export and return the function that releases it.

        Raises:
            TooManyExports: no slot is free.
        """
        if not self._exports.acquire(blocking=False):
            raise TooManyExports
        return lambda *_: self._exports.release()


def includeme(config: Configurator) -> None:
    """Set ``concurrency`` in the registry."""
    config.registry.concurrency = Concurrency()
