"""Errors as HTTP answers: one shape (RFC 9457), one table of codes, and views that no error gets past.

Exception views run while the transaction is being rolled back, or after: nothing here may touch storage.
"""

import logging
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
    Unauthorized,
    UnsupportedEncoding,
)
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.security_headers import add_missing
from paymentagg.entrypoints.safe_traceback import where

log = logging.getLogger(__name__)

PROBLEMS = {
    "invalid-parameter": (400, "A parameter is not what it should be"),
    "invalid-snapshot": (400, "The snapshot can't be read"),
    "unauthorized": (401, "Credentials are needed"),
    "forbidden": (403, "This is not allowed"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This method is not for this resource"),
    "not-acceptable": (406, "No representation is acceptable"),
    "deletion-guard": (409, "Too many rows would be deleted"),
    "sync-in-progress": (409, "Another sync is running"),
    "stale-snapshot": (409, "The snapshot is older than the last one"),
    "too-large": (413, "The snapshot is too large"),
    "unsupported-media-type": (415, "This content type can't be read"),
    "unsupported-encoding": (415, "This content encoding can't be read"),
    "rejected-rows": (422, "Rows were rejected"),
    "idempotency-mismatch": (422, "The idempotency key was used for something else"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "Something went wrong"),
    "database-unavailable": (503, "The database can't be used"),
    "audit-unavailable": (503, "The audit log can't be written"),
    "http-version-not-supported": (505, "This needs a newer version of HTTP"),
    "insufficient-storage": (507, "There is no room for the upload"),
}
"""The status and title of each code: the only place that knows them."""

_CODE_OF_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
    507: "insufficient-storage",
}
"""What Pyramid's own errors are called here."""

_RETRY_AFTER = {
    "sync-in-progress": "5",
    "too-many-requests": "5",
    "database-unavailable": "10",
    "audit-unavailable": "10",
}
"""Seconds after which another try makes sense."""


def includeme(config: Configurator) -> None:
    """Answer every error with a problem, wherever it is raised.

    pyramid_tm looks for an exception view itself where a commit fails. What fails above it (beginning a
    transaction, another tween, a callback) passes Pyramid's own exception tween by: the execution policy, which
    is around all of them, sees to that.
    """
    config.add_exception_view(problem_response, context=PaymentAggError)
    config.add_exception_view(undecodable, context=UnicodeDecodeError)
    config.add_exception_view(body_truncated, context=DisconnectionError)
    config.add_exception_view(http_exception_response, context=HTTPException)
    config.add_exception_view(unexpected, context=Exception)
    config.set_execution_policy(answer)


def answer(environ: dict[str, Any], router: Router) -> Response:
    """Answer a request."""
    with router.request_context(environ) as request:
        response = answered(request, router)
        add_missing(response.headerlist, request.scheme)
        return response


def answered(request: Request, router: Router) -> Response:
    """Return an answer, in the last resort the problem for whatever a tween or callback let through."""
    try:
        return router.invoke_request(request)
    except Exception:  # noqa: BLE001  # the last place that can give an error its shape
        return request.invoke_exception_view(reraise=True)


def problem_response(error: PaymentAggError, _request: Request) -> Response:
    """Answer an error that the user can be told about."""
    if isinstance(error, StorageUnavailable | AuditUnavailable):
        log.warning("%s", error)  # its words name no data
    return _problem(error.code, str(error), _members(error), _headers(error))


def undecodable(_error: UnicodeDecodeError, request: Request) -> Response:
    """Answer a path that is no UTF-8. Any other text that can't be decoded is our mistake."""
    try:
        _ = request.path_info
    except UnicodeDecodeError:
        return problem_response(InvalidParameter("path", "must be UTF-8, percent-encoded"), request)
    return unexpected(_error, request)


def body_truncated(_error: DisconnectionError, request: Request) -> Response:
    """Answer a body that ended before its Content-Length."""
    return problem_response(InvalidSnapshot("the body ended too early"), request)


def http_exception_response(error: HTTPException, request: Request) -> Response:
    """Answer an error of Pyramid's. Its detail may repeat what was sent, so it gets other words."""
    if error.status_int < 400:
        return error  # a redirection is no problem
    if error.status_int == 500:
        return unexpected(error, request)
    if error.status_int == 404:
        return problem_response(NotFound(), request)
    headers = {name: value for name, value in error.headers.items() if not name.lower().startswith("content-")}
    return _by_status(error.status_int, error.title, None, headers)


def parse_error_response(status: int, title: str, detail: str) -> Response:
    """Answer a request that the server couldn't make out, so that the application never saw it."""
    return _by_status(status, title, detail, {})


def unexpected(error: Exception, request: Request) -> Response:
    """Answer an unexpected error with the id of the request, under which its type and stack frames are logged."""
    log_unexpected(error, request)
    return _problem("internal", "the log says more under this id", {"id": request.id}, {})


def log_unexpected(error: BaseException, request: Request) -> None:
    """Log the types and stack frames of an error under the request's id.

    The message is left out: it may hold what patients are called or have paid.
    """
    log.error("internal error %s:\n%s", request.id, where(error))


def _members(error: PaymentAggError) -> dict[str, Any]:
    """Return what the problem says beyond its words."""
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
            return {"Accept-Encoding": ", ".join(error.taken)}
        case SyncInProgress() | TooManyExports() | StorageUnavailable() | AuditUnavailable():
            return {"Retry-After": _RETRY_AFTER[error.code]}
    return {}


def _by_status(status: int, title: str, detail: str | None, headers: dict[str, str]) -> Response:
    """Return the problem for a status that comes without a code; one that the table doesn't know keeps its title."""
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
