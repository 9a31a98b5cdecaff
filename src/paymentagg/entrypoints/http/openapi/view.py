"""The view of the description."""

from pyramid.response import Response

from paymentagg.entrypoints.http.openapi.document import description
from paymentagg.entrypoints.http.parameters import queries
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON


def serve(request: Request) -> Response:
    """Return the description; it contains no stored data."""
    queries.no_parameters(request.query_string)
    response = Response(content_type=JSON, charset=None, body=description())
    response.headers["Cache-Control"] = "private, max-age=300"
    return response
