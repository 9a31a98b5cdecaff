"""The audit log of HTTP: one line per request, written when its outcome is known and before its response is sent."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pyramid.config import Configurator
from pyramid.response import Response
from pyramid.router import Router

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.errors import AuditUnavailable
from paymentagg.entrypoints.audit_trail import AuditTrail
from paymentagg.entrypoints.http import problems
from paymentagg.entrypoints.http.observation import observe
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.refusals import Refusals

METRICS = "/metrics"
"""The path of the metrics: who has read them is not noted, but who wasn't let in is."""


def includeme(config: Configurator) -> None:
    """Write the outcome of every request to the audit log, if one is configured."""
    config.include(problems)
    config.registry.refusals = Refusals(config.registry.auditor)
    if config.registry.paymentagg_settings.audit_file:
        config.set_execution_policy(execution_policy)


def execution_policy(environ: dict[str, Any], router: Router) -> Response:
    """Return the response to a request and write its outcome to the audit log; Pyramid's execution policy.

    Health checks write no line: they are frequent, read no data, and must not wait for the audit log.
    """
    if environ.get("PATH_INFO") in router.registry.public_paths:
        return problems.execution_policy(environ, router)
    return observe(environ, router, _audited)


def _audited(request: Request, router: Router) -> Response:
    """Return the response after its line is written; if it can't be written, return that problem instead."""
    trail: AuditTrail = request.trail
    try:
        response = problems.invoke(request, router)
        if response.status_int < 400 and (request.is_preflight or request.environ.get("PATH_INFO") == METRICS):
            return response  # the request follows with its body; or it read counts alone, as it does each minute
    except BaseException:
        with suppress(AuditUnavailable):
            trail.end(Outcome.FAILED, "internal")
        raise
    body = response.app_iter
    try:
        if hasattr(body, "close") and request.method != "HEAD":
            trail.begin("export")
            length = response.content_length  # WebOb forgets it with the body
            response.app_iter = _AuditedBody(body, trail)
            response.content_length = length
        else:
            status = response.status_int
            trail.end(_outcome_of_status(status), getattr(response, "problem_code", None), status)
    except AuditUnavailable as error:
        if hasattr(body, "close"):
            body.close()
        return problems.problem_response(error, request)
    return response


class _AuditedBody:
    """The body of an export; writes its outcome to the audit log when the server closes it."""

    def __init__(self, body: Any, trail: AuditTrail) -> None:
        self._body = body
        self._trail = trail
        self._code: str | None = "disconnected"  # unless all rows are sent or reading fails

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self._body)
        except StopIteration:
            self._code = None
            raise
        except BaseException:
            self._code = "internal"
            raise
        return chunk

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._trail.end(Outcome.FAILED if self._code else Outcome.OK, self._code, 200)


def _outcome_of_status(status: int) -> Outcome:
    if status < 400:
        return Outcome.OK
    return Outcome.REFUSED if status < 500 else Outcome.FAILED
