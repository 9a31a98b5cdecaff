"""Pyramid's request and its cached properties, with types, which Pyramid itself lacks."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.response import Response
    from webob.request import BaseRequest

    reify = property  # Pyramid's, which has no types, also caches the value

    class PyramidRequest(BaseRequest):
        """Types for Pyramid's additions to WebOb's request; Pyramid itself has none."""

        authenticated_userid: str | None
        matchdict: dict[str, str]
        matched_route: Any

        def add_finished_callback(self, callback: Callable[[Any], object]) -> None:
            """Call this with the request when it is done."""

        def add_response_callback(self, callback: Callable[[Any, Response], object]) -> None:
            """Call this with the request and its response before that is sent."""

        def invoke_exception_view(self, *, reraise: bool) -> Response:
            """Return the response of the view for the current exception; raise it again if there is none."""
else:
    from pyramid.decorator import reify
    from pyramid.request import Request as PyramidRequest

__all__ = ["PyramidRequest", "reify"]
