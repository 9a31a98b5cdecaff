"""What goes into the audit log: a line for each request when its outcome is known, before its answer goes out.

What can't be taken back once it is done, a sync or an export, has a line before that says it has begun. Where the
line that has to come first can't be written, nothing is done: no client knows more than the log.
"""

import logging
import os
import pwd
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router

from paymentagg.domain.access import Principal
from paymentagg.domain.audit_chain import Auditor, Event, Outcome
from paymentagg.domain.errors import AuditUnavailable, InvalidParameter
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.synchronization import Listener
from paymentagg.entrypoints.http import problems
from paymentagg.entrypoints.http.problems import PROBLEMS
from paymentagg.entrypoints.http.query_params import PARAMETERS, decoded_pairs
from paymentagg.entrypoints.http.security_headers import add_missing

log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"})
_UNKNOWN = "?"
"""Stands for what a client has made up, which may be a name."""


class Asked(msgspec.Struct, frozen=True):
    """Who asked for what, and from where; the fields are those of Event."""

    key: str | None
    role: str | None
    peer: str | None
    method: str | None
    route: str | None
    parameters: list[str]


def on_console(route: str, parameters: list[str]) -> Asked:
    """Return who asks on this machine: the system's own account, since the environment says whatever one likes."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return Asked(None, "console", f"user {user}", None, route, parameters)


class Trail(Listener):
    """What becomes known of one request while it is served, and its lines in the log."""

    def __init__(self, auditor: Auditor, request_id: str, asked: Callable[[], Asked]) -> None:
        self._id = request_id
        self._auditor = auditor
        self._ask = asked
        self._asked: Asked | None = None
        self._begun = False
        self._kind: str | None = None
        self._rows: int | None = None
        self._digests: dict[str, str] = {}
        self._report: Report | None = None
        self._since = time.perf_counter()

    def begin(self, kind: str) -> None:
        """Note that this begins, before anything of it is done.

        Raises:
            AuditUnavailable: then it must not be done.
        """
        self._kind = kind
        self._note(Outcome.BEGUN)
        self._begun = True

    def identified(self, model: Model, digest: str) -> None:
        self._digests[model.plural] = digest

    def synced(self, report: Report, *, replayed: bool = False) -> None:
        """Learn what the sync will have done if nothing fails any more, or did before."""
        self._kind = "replay" if replayed else self._kind
        self._report = report

    def read(self, rows: int) -> None:
        """Learn that rows go out."""
        self._kind = self._kind or "read"
        self._rows = rows + (self._rows or 0)

    def end(self, code: str | None, status: int | None = None) -> bool:
        """Note what came of it, the code of an error or None where all is well; return whether it could be noted.

        Raises:
            AuditUnavailable: then the answer must not go out. Not where it has begun: it can't be taken back now.
        """
        counts: dict[str, int | dict[str, int]] = {} if self._rows is None else {"rows": self._rows}
        sync_id = None
        if self._report is not None and code is None:
            sync_id = self._report.id
            counts = {model.plural: _counts(part) for model, part in self._report.models.items()}
        duration = round((time.perf_counter() - self._since) * 1000, 1)
        try:
            self._note(_outcome(code), code=code, status=status, counts=counts, sync=sync_id, duration=duration)
        except AuditUnavailable as error:
            if not self._begun:
                raise
            log.error("request %s: the audit log lacks what came of it, %s: %s", self._id, code or "ok", error)
            return False
        return True

    def _note(self, outcome: Outcome, **known: Any) -> None:
        self._asked = self._asked or self._ask()
        event = Event(
            time=datetime.now(UTC),
            request=self._id,
            outcome=outcome,
            kind=self._kind,
            digests=self._digests,
            **msgspec.structs.asdict(self._asked),
            **known,
        )
        self._auditor.note(event, durable=self._kind == "sync")


def includeme(config: Configurator) -> None:
    """Give each request its ``trail``, and where there is a log, see to it that it ends, whatever happens."""
    config.include(problems)
    config.add_request_method(lambda r: Trail(r.registry.auditor, r.id, lambda: _asked(r)), "trail", reify=True)
    if config.registry.paymentagg_settings.audit_file:
        config.set_execution_policy(answer)


def answer(environ: dict[str, Any], router: Router) -> Response:
    """Answer a request, and note it. Who only asks after the server's health, asks often and learns nothing."""
    if environ.get("PATH_INFO", "").startswith("/health/"):
        return problems.answer(environ, router)
    with router.request_context(environ) as request:
        response = _noted(request, router)
        add_missing(response.headerlist, request.scheme)
        return response


def _noted(request: Request, router: Router) -> Response:
    """Return the answer when its line is written, or else that there is none."""
    trail: Trail = request.trail
    try:
        response = problems.answered(request, router)
    except BaseException:
        with suppress(AuditUnavailable):
            trail.end("internal")
        raise
    body = response.app_iter
    try:
        if hasattr(body, "close") and request.method != "HEAD":
            trail.begin("export")
            response.app_iter = _Watched(body, trail)
        else:
            trail.end(getattr(response, "problem_code", None), response.status_int)
    except AuditUnavailable as error:
        if hasattr(body, "close"):
            body.close()
        return problems.told(error, request)
    return response


def rotate(request: Request) -> Path:
    """Let a new audit log go on from the one that is there, and return what that is called now.

    Raises:
        InvalidParameter: there is none.
        AuditUnavailable: it can't be done.
    """
    asked = msgspec.structs.asdict(on_console("paymentagg-audit rotate", []))
    event = Event(time=datetime.now(UTC), request=request.id, outcome=Outcome.OK, **asked)
    path: Path = request.registry.auditor.rotate(event)
    return path


class _Watched:
    """The body of an export, whose end is noted when the server lets go of it."""

    def __init__(self, body: Any, trail: Trail) -> None:
        self._body = body
        self._trail = trail
        self._code: str | None = "disconnected"  # unless it comes to its end, or fails itself

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
            self._trail.end(self._code, 200)


def _asked(request: Request) -> Asked:
    method = request.method if request.method in _METHODS else _UNKNOWN
    # Who has not been asked by now can't be: whether a key is good is in the database, and the transaction is over.
    admission = vars(request).get("admission")
    key, role = (admission.key_id, admission.role) if isinstance(admission, Principal) else (None, None)
    return Asked(key, role, request.remote_addr, method, _route(request), _names(request.query_string))


def _route(request: Request) -> str | None:
    """Return the pattern of the path; who is refused at the door has come to no route yet."""
    try:
        route = request.matched_route or request.registry.getUtility(IRoutesMapper)(request)["route"]
    except UnicodeDecodeError:
        return None
    return None if route is None else re.sub(":[^{}]*}", "}", route.pattern)


def _names(query_string: str) -> list[str]:
    """Return the names of the parameters that paymentagg knows; what is in others, nobody knows."""
    try:
        sent = {name for name, _ in decoded_pairs(query_string)}
    except InvalidParameter:
        return [_UNKNOWN]
    return sorted({name if name in PARAMETERS else _UNKNOWN for name in sent})


def _counts(part: ModelReport) -> dict[str, int]:
    return {name: getattr(part, name) for name in ("created", "updated", "deleted", "unchanged", "rejected")}


def _outcome(code: str | None) -> Outcome:
    """Return whose fault it is; a code that is in no table is that of something that broke off."""
    if code is None:
        return Outcome.OK
    return Outcome.REFUSED if PROBLEMS.get(code, (500,))[0] < 500 else Outcome.FAILED
