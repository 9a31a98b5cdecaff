"""Whether the process lives, and whether it can serve: for who watches it, without a key."""

from pyramid.response import Response

from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON


def live(_request: Request) -> Response:
    """Answer as long as the process does; a database that is gone is no reason to restart it."""
    return _ok()


def ready(request: Request) -> Response:
    """Answer where the database can be read and has the schema of this code."""
    request.registry.database.check()
    return _ok()


def _ok() -> Response:
    return Response(content_type=JSON, charset=None, body=b'{"status":"ok"}')
