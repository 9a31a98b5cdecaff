"""What is described: the operations of the API, in a table."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import RowChange
from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.statistics import Bin, Figures, SyncDay
from paymentagg.entrypoints.http.exports import NOTICE
from paymentagg.entrypoints.http.openapi import examples
from paymentagg.entrypoints.http.openapi.examples import Example
from paymentagg.entrypoints.http.parameters import schemas
from paymentagg.entrypoints.http.responses import CSV, JSON, NDJSON, TEXT, XLSX
from paymentagg.entrypoints.spreadsheet import MAX_ROWS

FORM = "multipart/form-data"

TAGS = {
    "patients": "Patients and their payment totals",
    "payments": "Payments",
    "syncs": "Uploads of both models, the record of all syncs and what they have changed, undo",
    "statistics": "Figures",
    "operations": "For monitoring and for programs that read descriptions",
}
"""What the tags of operations mean."""

_Spreadsheet = Annotated[
    str,
    msgspec.Meta(
        description=f"for Excel; instead of more than {MAX_ROWS} rows, text/csv with the header {NOTICE}",
        extra_json_schema={"format": "binary"},
    ),
]

_COMMON = ("invalid-parameter", "unauthorized", "forbidden", "too-many-requests", "internal", "audit-unavailable")
_READ_PROBLEMS = (*_COMMON, "not-found", "not-acceptable", "database-unavailable")
_EXPORT_PROBLEMS = (*_READ_PROBLEMS, "http-version-not-supported", "insufficient-storage")
_SYNC_PROBLEMS = (
    *(*_COMMON, "database-unavailable", "invalid-snapshot", "too-large", "unsupported-media-type"),
    *("unsupported-encoding", "deletion-guard", "sync-in-progress", "stale-snapshot", "rejected-rows"),
    *("held-snapshot", "practice-archived", "idempotency-mismatch", "insufficient-storage"),
)
_UNDO_PROBLEMS = (
    *(*_COMMON, "database-unavailable", "not-found", "not-undoable", "practice-archived", "sync-in-progress"),
    "idempotency-mismatch",
)
_NDJSON_BODY = {"type": "string", "format": "binary", "description": "one row per line"}
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "a snapshot: an array, or one row per line; may be gzipped",
}


class Operation(msgspec.Struct, frozen=True):
    """The description of one method of a path."""

    id: str
    """Its operationId; clients are generated from it, so it never changes."""
    tag: str
    summary: str
    responses: dict[str, Any]
    """The type of the response for each media type."""
    example: Example
    """What is asked for, and what the response is."""
    query: Any = schemas.NOTHING
    """The colander schema of the query."""
    body: dict[str, Any] = {}
    """The JSON schema of the body for each media type; empty if there is none."""
    problems: Iterable[str] = _READ_PROBLEMS
    """The codes of its problems."""
    is_public: bool = False
    """Whether it requires no key."""

    @property
    def is_paged(self) -> bool:
        """Whether the response may have a link to a next page."""
        return self.query.get("after") is not None

    @property
    def is_counted(self) -> bool:
        """Whether the response may have the number of rows on all pages."""
        return self.query.get("count") is not None

    @property
    def is_data(self) -> bool:
        """Whether the response has an entity tag."""
        return self.query.get("min_sync") is not None


def _list(view: type) -> dict[str, Any]:
    return {JSON: list[view], NDJSON: str, CSV: str, XLSX: _Spreadsheet}  # type: ignore[valid-type]  # known at run time


def _sync(id: str, tag: str, summary: str, body: dict[str, Any], example: Example) -> Operation:
    return Operation(id, tag, summary, {JSON: Report}, example, schemas.TERMS, body, _SYNC_PROBLEMS)


def _snapshot(row: str) -> dict[str, Any]:
    return {JSON: {"type": "array", "items": {"$ref": f"#/components/schemas/{row}"}}, NDJSON: _NDJSON_BODY}


def _read(id: str, tag: str, summary: str, kind: Any, query: Any, example: Example) -> Operation:
    return Operation(id, tag, summary, {JSON: kind}, example, query)


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/patients"): Operation(
        "listPatients",
        "patients",
        "Patients with their payment totals",
        _list(PatientView),
        examples.PATIENTS,
        schemas.PATIENTS,
        problems=_EXPORT_PROBLEMS,
    ),
    ("POST", "/patients"): _sync(
        "syncPatients", "patients", "Sync the patients", _snapshot("SentPatient"), examples.PATIENT_SYNC
    ),
    ("GET", "/patients/{externalId}"): _read(
        "getPatient", "patients", "One patient", PatientView, schemas.ONE, examples.PATIENT
    ),
    ("GET", "/payments"): Operation(
        "listPayments",
        "payments",
        "Payments",
        _list(PaymentView),
        examples.PAYMENTS,
        schemas.PAYMENTS,
        problems=_EXPORT_PROBLEMS,
    ),
    ("GET", "/payments/{externalId}"): _read(
        "getPayment", "payments", "One payment", PaymentView, schemas.ONE, examples.PAYMENT
    ),
    ("POST", "/payments"): _sync(
        "syncPayments", "payments", "Sync the payments", _snapshot("SentPayment"), examples.PAYMENT_SYNC
    ),
    ("POST", "/snapshot"): _sync(
        "syncSnapshot",
        "syncs",
        "Sync patients, payments or both in one transaction",
        {FORM: {"type": "object", "minProperties": 1, "properties": {"patients": _FILE, "payments": _FILE}}},
        examples.SNAPSHOT_SYNC,
    ),
    ("GET", "/syncs"): _read(
        "listSyncs", "syncs", "The reports of past syncs, newest first", list[Report], schemas.SYNCS, examples.SYNCS
    ),
    ("GET", "/syncs/{id}"): _read("getSync", "syncs", "The report of one sync", Report, schemas.ONE, examples.SYNC),
    ("GET", "/syncs/{id}/changes"): _read(
        "listChanges",
        "syncs",
        "What one sync has created, updated and deleted",
        list[RowChange],
        schemas.CHANGES,
        examples.CHANGES,
    ),
    ("GET", "/syncs/{id}/rejections"): _read(
        "listRejections",
        "syncs",
        "The rows that one sync has rejected, the first 10,000 of them",
        list[Rejection],
        schemas.REJECTIONS,
        examples.REJECTIONS,
    ),
    ("POST", "/syncs/{id}/undo"): Operation(
        "undoSync",
        "syncs",
        "Take back the latest sync that changed something",
        {JSON: Report},
        examples.UNDO,
        schemas.UNDO,
        problems=_UNDO_PROBLEMS,
    ),
    ("GET", "/history"): _read(
        "getHistory",
        "syncs",
        "The updates and deletions of a payment, or of a patient and their payments, newest first",
        list[RowChange],
        schemas.HISTORY,
        examples.HISTORY,
    ),
    ("GET", "/stats"): _read(
        "getFigures", "statistics", "Figures of all patients and payments", Figures, schemas.ONE, examples.FIGURES
    ),
    ("GET", "/stats/histogram"): _read(
        "getHistogram",
        "statistics",
        "The number of patients and the sum of their totals, by total",
        list[Bin],
        schemas.HISTOGRAM,
        examples.HISTOGRAM,
    ),
    ("GET", "/stats/syncs"): _read(
        "listSyncDays",
        "statistics",
        "What syncs have changed, by day in UTC, oldest first",
        list[SyncDay],
        schemas.DAYS,
        examples.DAYS,
    ),
    ("GET", "/health/live"): Operation(
        "checkLiveness",
        "operations",
        "Whether the process runs",
        {JSON: dict[str, str]},
        examples.HEALTH,
        problems=["internal"],
        is_public=True,
    ),
    ("GET", "/health/ready"): Operation(
        "checkReadiness",
        "operations",
        "Whether the database can be used",
        {JSON: dict[str, str]},
        examples.HEALTH,
        problems=["internal", "database-unavailable"],
        is_public=True,
    ),
    ("GET", "/metrics"): Operation(
        "getMetrics",
        "operations",
        "Metrics of the server, in the text format of Prometheus",
        {TEXT: str},
        examples.METRICS,
        problems=_COMMON,
    ),
    ("GET", "/openapi.json"): Operation(
        "getDescription", "operations", "This description", {JSON: dict[str, Any]}, examples.DESCRIPTION
    ),
}
"""The operations by method and path."""
