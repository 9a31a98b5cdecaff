"""Health checks for monitoring; they require no key."""

from pyramid.response import Response

from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON


def live(_request: Request) -> Response:
    """Return 200 if the process runs; it needn't be restarted because the database is unavailable."""
    return _ok()


def ready(request: Request) -> Response:
    """Return 200 if the database can be read and has this version's schema.

    Raises:
        StorageUnavailable: it can't, or hasn't.
    """
    request.registry.database.check()
    return _ok()


def _ok() -> Response:
    return Response(content_type=JSON, charset=None, body=b'{"status":"ok"}')
