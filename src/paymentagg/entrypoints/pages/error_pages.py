"""Errors as pages, for the paths of pages: the same codes and statuses as the problems of the API.

As there, nothing here may use the database.
"""

from typing import Any
from urllib.parse import quote, urlencode

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPException, HTTPForbidden, HTTPSeeOther
from pyramid.response import Response

from paymentagg.domain.errors import Forbidden, PaymentAggError
from paymentagg.entrypoints.http import problems
from paymentagg.entrypoints.http.errors import NotFound, Unauthorized
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.page import bare_page, wants_page

_NOT_FOUND = "There is no such page, patient or sync; it may have been deleted since."
_JSON = "application/problem+json"


def includeme(config: Configurator) -> None:
    """Show an error as a page wherever a page was asked for."""
    config.add_view_predicate("page", _IsPage)
    config.add_exception_view(sign_in_first, context=Unauthorized, page=True)
    for context, view in (
        (PaymentAggError, problems.problem_response),
        (UnicodeDecodeError, problems.undecodable),
        (HTTPException, problems.http_exception_response),
        (Exception, problems.unexpected),
    ):
        config.add_exception_view(_as_page(view), context=context, page=True)
    config.add_forbidden_view(_as_page(_forbidden), page=True)


def sign_in_first(error: Unauthorized, request: Request) -> Response:
    """Lead to the sign-in, and from there back to the page if nothing was to be sent."""
    query = ""
    if request.method in ("GET", "HEAD"):
        asked = quote(request.path_info) + (f"?{request.query_string}" if request.query_string else "")
        query = f"?{urlencode({'next': asked})}" if asked != "/ui" else ""
    response = HTTPSeeOther(f"/ui/sign-in{query}")
    response.problem_code = error.code  # for the audit log
    return response


def _forbidden(error: HTTPForbidden, request: Request) -> Response:
    return problems.problem_response(Forbidden(error.result.msg), request)


def _as_page(view: Any) -> Any:
    """Return the view with its problem as a page."""

    def show(error: Exception, request: Request) -> Response:
        found = view(error, request)
        if found.content_type != _JSON:
            return found
        problem = found.json_body
        if problem["detail"] == str(NotFound()):
            problem["detail"] = _NOT_FOUND
        shown = bare_page(request, "error.jinja2", status=found.status_int, problem=problem, code=found.problem_code)
        for name in ("Retry-After", "Allow"):
            if name in found.headers:
                shown.headers[name] = found.headers[name]
        shown.problem_code = found.problem_code
        return shown

    return show


class _IsPage:
    """A predicate of views: whether the request is for a page."""

    def __init__(self, value: bool, _info: object) -> None:
        self._value = value

    def text(self) -> str:
        """Return a description for Pyramid's introspection."""
        return f"page = {self._value}"

    phash = text

    def __call__(self, _context: object, request: Request) -> bool:
        """Return whether the view is for this request."""
        return wants_page(request) is self._value
