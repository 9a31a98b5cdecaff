"""Limits for concurrent long requests in a process: each occupies a thread, and short reads need some too."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Lock

from pyramid.config import Configurator

from paymentagg.domain.errors import PaymentAggError, SyncInProgress
from paymentagg.entrypoints.http.errors import TooManyExports

SYNCS = 2
"""Concurrent sync requests of one practice: one that runs, and one that waits for it."""

SYNCS_OF_ALL = 8
"""Concurrent sync requests of many practices. Each has a connection for writing, of which the pool has ten."""

EXPORTS = 3
"""Concurrent exports of more than one batch, which last as long as their clients read. Others aren't limited."""


class _Slots:
    """A number of slots for requests of one kind, of which each owner has a part, and the error if none is free."""

    def __init__(self, count: int, error: type[PaymentAggError], *, of_each: int | None = None) -> None:
        self._count = count
        self._of_each = count if of_each is None else of_each
        self._error = error
        self._taken: Counter[str | None] = Counter()
        self._lock = Lock()

    def check(self, owner: str | None = None) -> None:
        """Raise the error if no slot is free for the owner."""
        with self._lock:
            self._check(owner)

    def take(self, owner: str | None = None) -> Callable[..., None]:
        """Take a slot and return the function that releases it; raise the error if none is free."""
        with self._lock:
            self._check(owner)
            self._taken[owner] += 1
        return partial(self._release, owner)

    def _check(self, owner: str | None) -> None:
        if self._taken[owner] >= self._of_each or self._taken.total() >= self._count:
            raise self._error

    def _release(self, owner: str | None, *_: object) -> None:
        with self._lock:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]


class Concurrency:
    """The slots for syncs and large exports in this process."""

    def __init__(self) -> None:
        self._syncs = _Slots(SYNCS_OF_ALL, SyncInProgress, of_each=SYNCS)
        self._exports = _Slots(EXPORTS, TooManyExports)

    def check_sync_slot(self, practice: str | None) -> None:
        """Check whether a slot for a sync is free, and take none.

        Args:
            practice: the one to sync; None if there is only one.

        Raises:
            SyncInProgress: no slot is free.
        """
        self._syncs.check(practice)

    def take_sync_slot(self, practice: str | None) -> Callable[..., None]:
        """Take a slot for a sync and return the function that releases it; ``practice`` as in ``check_sync_slot``.

        Raises:
            SyncInProgress: no slot is free.
        """
        return self._syncs.take(practice)

    def take_export_slot(self) -> Callable[..., None]:
        """Take a slot for a large export and return the function that releases it.

        Raises:
            TooManyExports: no slot is free.
        """
        return self._exports.take()


def includeme(config: Configurator) -> None:
    """Set ``concurrency`` in the registry."""
    config.registry.concurrency = Concurrency()
