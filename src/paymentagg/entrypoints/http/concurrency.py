"""How many long requests a process handles at once: each occupies a thread, and reads need some, too."""

from collections.abc import Callable
from threading import BoundedSemaphore

from pyramid.config import Configurator

from paymentagg.domain.errors import SyncInProgress
from paymentagg.entrypoints.http.errors import TooManyExports

SYNCS = 2
"""One that runs, and one that waits for it."""

EXPORTS = 3
"""Exports of more than one batch: they take as long as their clients read. Smaller ones don't count."""


class Concurrency:
    """The places for syncs and large exports in this process."""

    def __init__(self) -> None:
        self._syncs = BoundedSemaphore(SYNCS)
        self._exports = BoundedSemaphore(EXPORTS)

    def take_sync_slot(self) -> Callable[..., None]:
        """Take a place for a sync, and return the function that gives it back.

        Raises:
            SyncInProgress: all are taken.
        """
        if not self._syncs.acquire(blocking=False):
            raise SyncInProgress
        return lambda *_: self._syncs.release()

    def take_export_slot(self) -> Callable[..., None]:
        """Take a place for a large export, and return the function that gives it back.

        Raises:
            TooManyExports: all are taken.
        """
        if not self._exports.acquire(blocking=False):
            raise TooManyExports
        return lambda *_: self._exports.release()


def includeme(config: Configurator) -> None:
    """Set the registry's ``concurrency``."""
    config.registry.concurrency = Concurrency()
