"""Errors as HTTP responses: one shape (RFC 9457), one table of codes, and views that catch every error.

Exception views run during or after the rollback of the transaction, so nothing here may use storage.
"""

import logging
from importlib.metadata import version
from typing import Any

import msgspec
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPException
from pyramid.response import Response
from pyramid.router import Router
from webob.request import DisconnectionError

from paymentagg.domain.errors import (
    AuditUnavailable,
    DeletionRefused,
    InvalidParameter,
    InvalidSnapshot,
    PaymentAggError,
    RejectedRows,
    StorageUnavailable,
    SyncInProgress,
)
from paymentagg.entrypoints.http.errors import (
    MethodNotAllowed,
    NotFound,
    TooManyExports,
    TooManyRequests,
    TooManyUploads,
    Unauthorized,
    UnsupportedEncoding,
)
from paymentagg.entrypoints.http.metrics.counters import Metrics
from paymentagg.entrypoints.http.observation import observe
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.safe_traceback import log_unexpected

log = logging.getLogger(__name__)

_CODE_OF_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    507: "insufficient-storage",
}
"""The codes for errors of Pyramid and waitress, which have only a status."""

_RETRY_AFTER = {
    "sync-in-progress": "5",
    "too-many-requests": "5",
    "database-unavailable": "10",
    "audit-unavailable": "10",
}
"""Seconds after which a client may try again."""


def includeme(config: Configurator) -> None:
    """Respond to every error with a problem, wherever it is raised.

    pyramid_tm itself calls the exception view if a commit fails. Errors raised outside of it (when a transaction
    begins, in another tween, in a callback) never reach Pyramid's exception tween; the execution policy, which wraps
    all of them, handles these.
    """
    config.set_request_factory(Request)  # the problem of an internal error contains the request's id
    config.add_exception_view(problem_response, context=PaymentAggError)
    config.add_exception_view(undecodable, context=UnicodeDecodeError)
    config.add_exception_view(body_truncated, context=DisconnectionError)
    config.add_exception_view(http_exception_response, context=HTTPException)
    config.add_exception_view(unexpected, context=Exception)
    config.registry.metrics = Metrics(version("paymentagg"))
    config.set_execution_policy(execution_policy)


def execution_policy(environ: dict[str, Any], router: Router) -> Response:
    """Return the response to a request; Pyramid's execution policy."""
    return observe(environ, router, invoke)


def invoke(request: Request, router: Router) -> Response:
    """Return the response; if a tween or a callback raises an error, return its problem."""
    try:
        return router.invoke_request(request)
    except Exception:  # noqa: BLE001  # the outermost handler of errors
        return request.invoke_exception_view(reraise=True)


def problem_response(error: PaymentAggError, _request: Request) -> Response:
    """Return the problem for an error whose message is meant for the user."""
    if isinstance(error, StorageUnavailable | AuditUnavailable):
        log.warning("%s", error)  # its message contains no data
    remedy = f"; if that is right: max_delete={error.needed}" if isinstance(error, DeletionRefused) else ""
    return _problem(error.code, f"{error}{remedy}", _members(error), _headers(error))


def undecodable(_error: UnicodeDecodeError, request: Request) -> Response:
    """Return the problem for a path that isn't UTF-8. Any other text that can't be decoded is an internal error."""
    try:
        _ = request.path_info
    except UnicodeDecodeError:
        return problem_response(InvalidParameter("path", "must be UTF-8, percent-encoded"), request)
    return unexpected(_error, request)


def body_truncated(_error: DisconnectionError, request: Request) -> Response:
    """Return the problem for a body shorter than its Content-Length."""
    return problem_response(InvalidSnapshot("the body is shorter than its Content-Length; send it again"), request)


def http_exception_response(error: HTTPException, request: Request) -> Response:
    """Return the problem for an error of Pyramid's, without its detail, which may repeat what the client sent."""
    if error.status_int < 400:
        return error  # a redirection isn't an error
    if error.status_int == 500:
        return unexpected(error, request)
    if error.status_int == 404:
        return problem_response(NotFound(), request)
    headers = {name: value for name, value in error.headers.items() if not name.lower().startswith("content-")}
    return _by_status(error.status_int, error.title, None, headers)


def parse_error_response(status: int, title: str, detail: str) -> Response:
    """Return the problem for a request that the server can't parse and doesn't pass to the application."""
    return _by_status(status, title, detail, {})


def unexpected(error: Exception, request: Request) -> Response:
    """Log an unexpected error and return a problem with the request's id, which is also in the log."""
    log_unexpected(error, request.id)
    return _problem("internal", "search the server's log for this id", {"id": request.id}, {})


def _members(error: PaymentAggError) -> dict[str, Any]:
    """Return the additional members of the problem (RFC 9457, section 3.2)."""
    match error:
        case InvalidParameter():
            return {"parameter": error.parameter}
        case InvalidSnapshot():
            known = {"offset": error.offset, "row": error.row}
            return {name: value for name, value in known.items() if value is not None}
        case DeletionRefused():
            counts = {"stored": error.stored, "wouldDelete": error.would_delete, "limit": error.limit}
            return {"model": error.model, **counts}
        case RejectedRows():
            return {"errors": error.report.errors, "errorsOmitted": error.report.errors_omitted}
    return {}


def _headers(error: PaymentAggError) -> dict[str, str]:
    match error:
        case Unauthorized():
            return {"WWW-Authenticate": "Bearer"}
        case TooManyRequests():
            return {"Retry-After": str(error.seconds)}
        case MethodNotAllowed():
            return {"Allow": ", ".join(error.allowed)}
        case UnsupportedEncoding():
            return {"Accept-Encoding": ", ".join(error.supported)}
        case SyncInProgress() | TooManyExports() | TooManyUploads() | StorageUnavailable() | AuditUnavailable():
            return {"Retry-After": _RETRY_AFTER[error.code]}
    return {}


def _by_status(status: int, title: str, detail: str | None, headers: dict[str, str]) -> Response:
    """Return the problem for an error that has only a status; if the status has no code here, the title is kept."""
    code = _CODE_OF_STATUS.get(status)
    if code is None:
        return _response(title.lower().replace(" ", "-"), status, title, detail or title, {}, headers)
    return _problem(code, detail or PROBLEMS[code][1], {}, headers)


def _problem(code: str, detail: str, members: dict[str, Any], headers: dict[str, str]) -> Response:
    status, title = PROBLEMS[code]
    return _response(code, status, title, detail, members, headers)


def _response(
    code: str, status: int, title: str, detail: str, members: dict[str, Any], headers: dict[str, str]
) -> Response:
    problem = {"type": f"urn:paymentagg:problem:{code}", "title": title, "status": status, "detail": detail, **members}
    response = Response(
        status=status, content_type="application/problem+json", charset=None, body=msgspec.json.encode(problem)
    )
    response.headers.update(headers)
    response.problem_code = code  # for the audit log
    return response
