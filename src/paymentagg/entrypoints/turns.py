"""How many syncs a process takes on at once: one that runs, and one that waits for it.

Each keeps a thread all the while. More of them would take those that reads need.
"""

import threading

from pyramid.config import Configurator
from pyramid.request import Request

from paymentagg.domain.errors import SyncInProgress

SYNCS = 2


def includeme(config: Configurator) -> None:
    """Give requests a method ``take_turn``, to be called before anything is read; the turn is over with the request."""
    turns = threading.BoundedSemaphore(SYNCS)

    def take_turn(request: Request) -> None:
        if not turns.acquire(blocking=False):
            raise SyncInProgress
        request.add_finished_callback(lambda _: turns.release())

    config.add_request_method(take_turn)
