"""The audit lines of one request or console run: its beginning and its outcome.

A sync, an export, an erasure or a change of an API key can't be undone, so each writes a line before it. If that line
can't be written, the request is refused, so the log shows everything that was done or sent.
"""

import logging
import os
import pwd
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from paymentagg.domain.audit_chain import Auditor, Event, Outcome
from paymentagg.domain.errors import AuditUnavailable, PaymentAggError
from paymentagg.domain.listener import Listener
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport, Report
from paymentagg.entrypoints.refusals import Refusals

log = logging.getLogger(__name__)

_DURABLE = ("sync", "undo", "key", "erase", "practice")
"""The kinds whose lines must survive a power cut, since they change what is stored."""


class Caller(msgspec.Struct, frozen=True):
    """The client and its request, as fields of Event."""

    key: str | None
    role: str | None
    peer: str | None
    method: str | None
    route: str | None
    parameters: list[str]
    reason: str | None = None
    practice: str | None = None


def console_user(route: str, parameters: list[str], key: str | None = None, *, practice: str | None = None) -> Caller:
    """Return the operating system's user as the caller.

    The user id is looked up, since environment variables such as USER can be set to anything.

    Args:
        route: the console script.
        parameters: the names of the options that were given.
        key: the public id of the API key that the script changes.
        practice: the practice that it is run for, where there are many.
    """
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return Caller(key, "console", f"user {user}", None, route, parameters, practice=practice)


class AuditTrail(Listener):
    """Collects the facts about one request and writes its lines to the audit log."""

    def __init__(
        self, auditor: Auditor, request_id: str, caller: Callable[[], Caller], refusals: Refusals | None = None
    ) -> None:
        """Create the trail; ``refusals``, if given, gets the outcome of a request of nobody who was let in."""
        self._id = request_id
        self._auditor = auditor
        self._find_caller = caller
        self._refusals = refusals
        self._caller: Caller | None = None
        self._begun = False
        self._kind: str | None = None
        self._rows: int | None = None
        self._patient: str | None = None
        self._digests: dict[str, str] = {}
        self._report: Report | None = None
        self._since = time.perf_counter()

    def begin(self, kind: str) -> None:
        """Write that a sync, undo, dry run, export, erasure or change of a key or a practice begins. Call this before.

        Raises:
            AuditUnavailable: the line can't be written, so the request must be refused.
        """
        self._kind = kind
        self._write(Outcome.BEGUN)
        self._begun = True

    def identified(self, model: Model, digest: str) -> None:
        """Record the SHA-256 of a snapshot, in hexadecimal digits."""
        self._digests[model.plural] = digest

    def synced(self, report: Report, *, replayed: bool = False) -> None:
        """Record the report of a sync, or with ``replayed``, of an earlier sync whose response is sent again."""
        self._kind = "replay" if replayed else self._kind
        self._report = report

    def of_patient(self, external_id: str) -> None:
        """Record that the data of one patient are asked for. Call this before reading them.

        Raises:
            AuditUnavailable: the patient's pseudonym can't be computed, so the request must be refused.
        """
        self._patient = self._auditor.pseudonym(external_id)

    def read(self, rows: int) -> None:
        """Add to the number of rows that are sent or erased."""
        self._kind = self._kind or "read"
        self._rows = rows + (self._rows or 0)

    def end(self, outcome: Outcome, code: str | None = None, status: int | None = None) -> bool:
        """Write the outcome; return whether that succeeded.

        Args:
            code: the stable name of the error, None for success.
            status: the HTTP status or the exit status.

        Raises:
            AuditUnavailable: the line can't be written, so the response must not be sent. Not raised after ``begin``,
                since the work is then already done.
        """
        counts: dict[str, int | dict[str, int]] = {} if self._rows is None else {"rows": self._rows}
        sync_id = undoes = None
        if self._report is not None and outcome is Outcome.OK:
            sync_id = self._report.id
            undoes = None if self._report.undoes is msgspec.UNSET else self._report.undoes
            counts = {model.plural: _counts(part) for model, part in self._report.models.items()}
        duration = round((time.perf_counter() - self._since) * 1000, 1)
        try:
            self._write(
                outcome, code=code, status=status, counts=counts, sync=sync_id, undoes=undoes, duration=duration
            )
        except AuditUnavailable as error:
            if not self._begun:
                raise
            log.error("request %s: its outcome (%s) is missing from the audit log: %s", self._id, code or "ok", error)
            return False
        return True

    def _write(self, outcome: Outcome, **known: Any) -> None:
        self._caller = self._caller or self._find_caller()
        event = Event(
            time=datetime.now(UTC),
            request=self._id,
            outcome=outcome,
            kind=self._kind,
            digests=self._digests,
            patient=self._patient,
            **msgspec.structs.asdict(self._caller),
            **known,
        )
        if self._refusals is not None and event.role is None:
            self._refusals.note(event)
        else:
            self._auditor.note(event, durable=self._kind in _DURABLE)


def outcome_of(error: BaseException) -> Outcome:
    """Return REFUSED for an error that the client caused, FAILED for any other."""
    is_refusal = isinstance(error, PaymentAggError) and not error.is_failure
    return Outcome.REFUSED if is_refusal else Outcome.FAILED


def rotate(auditor: Auditor, request_id: str, caller: Caller) -> Path:
    """Start a new audit log that continues the chain of the current one; return the new path of the old one.

    Raises:
        InvalidParameter: no audit log is configured.
        AuditUnavailable: the log can't be rotated.
    """
    fields = msgspec.structs.asdict(caller)
    return auditor.rotate(Event(time=datetime.now(UTC), request=request_id, outcome=Outcome.OK, **fields))


def _counts(part: ModelReport) -> dict[str, int]:
    return {name: getattr(part, name) for name in ("created", "updated", "deleted", "unchanged", "rejected")}
