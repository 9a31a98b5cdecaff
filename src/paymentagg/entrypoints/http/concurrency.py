"""How many long requests a process takes on at once: each keeps a thread, and reads need some, too."""

from collections.abc import Callable
from threading import BoundedSemaphore

from pyramid.config import Configurator
from pyramid.request import Request

from paymentagg.domain.errors import SyncInProgress
from paymentagg.entrypoints.http.errors import TooManyExports

SYNCS = 2
"""One that runs, and one that waits for it."""

EXPORTS = 3
"""Of more than one batch: those are as slow as their clients, and the others are over at once."""


def includeme(config: Configurator) -> None:
    """Give requests ``take_sync_turn`` and ``take_export_turn``, to be called before the long part.

    A sync's turn is over with its request. An export goes on beyond that: it gets the function that ends its turn.
    """
    syncs, exports = BoundedSemaphore(SYNCS), BoundedSemaphore(EXPORTS)

    def take_sync_turn(request: Request) -> None:
        if not syncs.acquire(blocking=False):
            raise SyncInProgress
        request.add_finished_callback(lambda _: syncs.release())

    def take_export_turn(_request: Request) -> Callable[[], None]:
        if not exports.acquire(blocking=False):
            raise TooManyExports
        return exports.release

    config.add_request_method(take_sync_turn)
    config.add_request_method(take_export_turn)
