"""The description of the API in OpenAPI 3.1, generated from the types and tables that the API itself uses."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any

import msgspec
from pyramid.response import Response

from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import ChangeKind, RowChange
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.money import NUMBER
from paymentagg.domain.queries import PatientView, PaymentView, SortKey
from paymentagg.domain.report import Report
from paymentagg.domain.search import MAX_SEARCH
from paymentagg.domain.statistics import DEFAULT_BINS, DEFAULT_DAYS, MAX_BINS, MAX_DAYS, Bin, Figures, SyncDay
from paymentagg.domain.text import MAX_TEXT
from paymentagg.entrypoints.http.exports import NOTICE
from paymentagg.entrypoints.http.parameters import queries, query_string, schemas
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import CSV, JSON, NDJSON, XLSX
from paymentagg.entrypoints.spreadsheet import MAX_ROWS

_PROBLEM = "application/problem+json"
_FORM = "multipart/form-data"

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S"}
_AMOUNT = {"type": "string", "pattern": r"^-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,2})?$"}
_SYNC_ID = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
_FLAG = {"type": "boolean"}
_Spreadsheet = Annotated[
    str,
    msgspec.Meta(
        description=f"for Excel; instead of more than {MAX_ROWS} rows, text/csv with the header {NOTICE}",
        extra_json_schema={"format": "binary"},
    ),
]
_LIMIT = {"type": "integer", "minimum": 1, "maximum": schemas.MAX_LIMIT, "default": schemas.DEFAULT_LIMIT}

_PARAMETERS: dict[str, dict[str, Any]] = {
    "payment_min": _AMOUNT,
    "payment_max": _AMOUNT,
    "q": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_SEARCH,
        "pattern": r"\S",
        "description": "words that are all part of the patient's names or id; accents and case don't matter",
    },
    "updated_since": {"type": "string", "format": "date-time"},
    "count": {"enum": ["exact"], "description": "answer with the number of rows on all pages in X-Total-Count"},
    "sort": {"enum": [sign + key for key in SortKey for sign in ("", "-")], "default": SortKey.ID},
    "bins": {"type": "integer", "minimum": 1, "maximum": MAX_BINS, "default": DEFAULT_BINS},
    "days": {"type": "integer", "minimum": 1, "maximum": MAX_DAYS, "default": DEFAULT_DAYS},
    "limit": _LIMIT,
    "min_sync": {**_SYNC_ID, "description": "the id of a sync that the response must include"},
    "after": {"type": "string", "description": "the cursor from a Link header"},
    "bom": {**_FLAG, "description": "begin with a byte order mark, for Excel; only with Accept: text/csv"},
    "external_id": {**_TEXT, "description": "the patient's external id"},
    "model": {"enum": list(Model)},
    "kind": {"enum": list(ChangeKind)},
    "patient": {**_TEXT, "description": "the patient's external id; give either this or payment"},
    "payment": {**_TEXT, "description": "the payment's external id"},
    "dry_run": _FLAG,
    "strict": _FLAG,
    "max_delete": {"type": "string", "description": "a count or a percentage", "examples": ["3000", "50%"]},
    "taken_at": {"type": "string", "format": "date-time"},
}
"""The schema of each query parameter."""

# Rows of snapshots: msgspec describes the domain's types; the patterns are rules that ``row_rules`` checks.
_PATIENT = msgspec.json.schema_components([Patient])[1]["Patient"]
_PATIENT["properties"] |= {"firstName": _NAME, "lastName": _NAME}
_PAYMENT = msgspec.json.schema_components([Payment])[1]["Payment"]
_PAYMENT["properties"]["amount"] = {"oneOf": [{"type": "number"}, {"type": "string", "pattern": f"^{NUMBER.pattern}$"}]}

_COMMON = ("invalid-parameter", "unauthorized", "forbidden", "too-many-requests", "internal", "audit-unavailable")
_READ_PROBLEMS = (*_COMMON, "not-found", "not-acceptable", "database-unavailable")
_EXPORT_PROBLEMS = (*_READ_PROBLEMS, "http-version-not-supported", "insufficient-storage")
_SYNC_PROBLEMS = (
    *(*_COMMON, "database-unavailable", "invalid-snapshot", "too-large", "unsupported-media-type"),
    *("unsupported-encoding", "deletion-guard", "sync-in-progress", "stale-snapshot", "rejected-rows"),
    *("held-snapshot", "practice-archived", "idempotency-mismatch", "insufficient-storage"),
)
_UNDO_PROBLEMS = (
    *_COMMON,
    "database-unavailable",
    "not-found",
    "not-undoable",
    "practice-archived",
    "sync-in-progress",
    "idempotency-mismatch",
)


class Operation(msgspec.Struct, frozen=True):
    """The description of one method of a path."""

    summary: str
    responses: dict[str, Any]
    """The type of the response for each media type."""
    query: Any = schemas.NOTHING
    """The colander schema of the query."""
    body: dict[str, Any] = {}
    """The JSON schema of the body for each media type; empty if there is none."""
    problems: Iterable[str] = _READ_PROBLEMS
    """The codes of its problems."""


def _list(view: type) -> dict[str, Any]:
    return {JSON: list[view], NDJSON: str, CSV: str, XLSX: _Spreadsheet}  # type: ignore[valid-type]  # known at run time


def _sync(summary: str, body: dict[str, Any]) -> Operation:
    return Operation(summary, {JSON: Report}, schemas.TERMS, body, _SYNC_PROBLEMS)


def _snapshot(row: dict[str, Any]) -> dict[str, Any]:
    return {JSON: {"type": "array", "items": row}, NDJSON: {"type": "string", "description": "one row per line"}}


_FILE = {"type": "string", "description": "a snapshot: an array, or one row per line; may be gzipped"}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/patients"): Operation(
        "Patients with their payment totals", _list(PatientView), schemas.PATIENTS, problems=_EXPORT_PROBLEMS
    ),
    ("POST", "/patients"): _sync("Sync the patients", _snapshot(_PATIENT)),
    ("GET", "/patients/{externalId}"): Operation("One patient", {JSON: PatientView}, schemas.ONE),
    ("GET", "/payments"): Operation("Payments", _list(PaymentView), schemas.PAYMENTS, problems=_EXPORT_PROBLEMS),
    ("GET", "/payments/{externalId}"): Operation("One payment", {JSON: PaymentView}, schemas.ONE),
    ("POST", "/payments"): _sync("Sync the payments", _snapshot(_PAYMENT)),
    ("POST", "/snapshot"): _sync(
        "Sync patients, payments or both in one transaction",
        {_FORM: {"type": "object", "minProperties": 1, "properties": {"patients": _FILE, "payments": _FILE}}},
    ),
    ("GET", "/syncs"): Operation("The reports of past syncs, newest first", {JSON: list[Report]}, schemas.SYNCS),
    ("GET", "/syncs/{id}"): Operation("The report of one sync", {JSON: Report}, schemas.ONE),
    ("GET", "/syncs/{id}/changes"): Operation(
        "What one sync has created, updated and deleted", {JSON: list[RowChange]}, schemas.CHANGES
    ),
    ("GET", "/syncs/{id}/rejections"): Operation(
        "The rows that one sync has rejected, the first 10,000 of them", {JSON: list[Rejection]}, schemas.REJECTIONS
    ),
    ("GET", "/history"): Operation(
        "The updates and deletions of a payment, or of a patient and their payments, newest first",
        {JSON: list[RowChange]},
        schemas.HISTORY,
    ),
    ("GET", "/stats"): Operation("Figures of all patients and payments", {JSON: Figures}, schemas.ONE),
    ("GET", "/stats/histogram"): Operation(
        "The number of patients and the sum of their totals, by total", {JSON: list[Bin]}, schemas.HISTOGRAM
    ),
    ("GET", "/stats/syncs"): Operation(
        "What syncs have changed, by day in UTC, oldest first", {JSON: list[SyncDay]}, schemas.DAYS
    ),
    ("POST", "/syncs/{id}/undo"): Operation(
        "Take back the latest sync that changed something", {JSON: Report}, schemas.UNDO, problems=_UNDO_PROBLEMS
    ),
    ("GET", "/health/live"): Operation("Whether the process runs", {JSON: dict}, problems=["internal"]),
    ("GET", "/health/ready"): Operation(
        "Whether the database can be used", {JSON: dict}, problems=["internal", "database-unavailable"]
    ),
    ("GET", "/openapi.json"): Operation("This description", {JSON: dict}),
}


def serve(request: Request) -> Response:
    """Return the description; it contains no stored data."""
    queries.no_parameters(request.query_string)
    response = Response(content_type=JSON, charset=None, body=description())
    response.headers["Cache-Control"] = "private, max-age=300"
    return response


@cache
def description() -> bytes:
    """Return the description as JSON."""
    types = [response for operation in OPERATIONS.values() for response in operation.responses.values()]
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas_of = iter(map(_with_numbers, found))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        responses = {media: {"schema": next(schemas_of)} for media in operation.responses}
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, responses)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "paymentagg", "version": version("paymentagg")},
        "paths": paths,
        "components": {
            "schemas": {name: _with_numbers(schema) for name, schema in components.items()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }
    return msgspec.json.encode(document)


def _operation(method: str, path: str, operation: Operation, responses: dict[str, Any]) -> dict[str, Any]:
    names = [node.name for node in operation.query.children]
    names += [alias for alias, name in query_string.ALIASES.items() if name in names]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": _PARAMETERS[query_string.ALIASES.get(name, name)]} for name in names
    ]
    if "{" in path:
        name = path.partition("{")[2].rstrip("}")
        parameters.append({"name": name, "in": "path", "required": True, "schema": _SYNC_ID if name == "id" else _TEXT})
    document: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {"200": {"description": "done", "content": responses}} | _responses(operation.problems),
    }
    if method == "POST":
        parameters.append({"name": queries.IDEMPOTENCY_KEY, "in": "header", "schema": {"type": "string"}})
    if operation.body:
        body = {media: {"schema": schema} for media, schema in operation.body.items()}
        document["requestBody"] = {"required": True, "content": body}
    return document


def _responses(codes: Iterable[str]) -> dict[str, Any]:
    """Return the OpenAPI responses for the problems with these codes, by status."""
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    return {status: _problem(status, codes) for status, codes in sorted(by_status.items())}


def _problem(status: str, codes: list[str]) -> dict[str, Any]:
    types = [f"urn:paymentagg:problem:{code}" for code in codes]
    schema = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {"type": {"enum": types}, "status": {"const": int(status)}, "detail": {"type": "string"}},
    }
    return {"description": "; ".join(PROBLEMS[code][1] for code in codes), "content": {_PROBLEM: {"schema": schema}}}


def _with_numbers(schema: Any) -> Any:
    """Return the schema with decimals as numbers, as the API encodes them; msgspec describes them as strings."""
    if isinstance(schema, list):
        return [_with_numbers(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return {"type": "number"}
    return {name: _with_numbers(value) for name, value in schema.items()}
