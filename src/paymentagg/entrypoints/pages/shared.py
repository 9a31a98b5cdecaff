"""What all pages of a process share."""

import msgspec

from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.browser_sessions import Authenticate
from paymentagg.entrypoints.pages.kept_figures import KeptFigures
from paymentagg.entrypoints.pages.work.desk import Desk


class Shared(msgspec.Struct, frozen=True):
    """How programs are authenticated, the uploads and undos that wait or run, and the figures of the last sync."""

    authenticate: Authenticate
    desk: Desk
    kept: KeptFigures


def shared(request: Request) -> Shared:
    """Return what all pages of this process share."""
    found: Shared = request.registry.pages
    return found
