"""Health checks for monitoring; they require no key."""

import msgspec
from pyramid.response import Response

from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON


def live(_request: Request) -> Response:
    """Return 200 if the process runs; it needn't be restarted because the database is unavailable."""
    return _ok()


def ready(request: Request) -> Response:
    """Return 200 if the database can be read and has this version's schema; say whether its replica can be read.

    Raises:
        StorageUnavailable: it can't, or hasn't.
    """
    database = request.registry.database
    database.check()
    is_available = database.replica_is_available
    return _ok() if is_available is None else _ok(replica="ok" if is_available else "unavailable")


def _ok(**more: str) -> Response:
    return Response(content_type=JSON, charset=None, body=msgspec.json.encode({"status": "ok"} | more))
