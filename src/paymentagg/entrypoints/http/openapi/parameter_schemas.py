"""The schemas of the parameters in queries, paths and headers."""

from typing import Any

from paymentagg.domain.queries import SortKey
from paymentagg.domain.search import MAX_SEARCH
from paymentagg.domain.statistics import DEFAULT_BINS, DEFAULT_DAYS, MAX_BINS, MAX_DAYS
from paymentagg.domain.text import MAX_TEXT
from paymentagg.entrypoints.http.parameters import queries, schemas

TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
SYNC_ID = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 10**18 - 1}
_FLAG = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}
_TOTAL = {
    "type": "string",
    "pattern": r"^-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,2})?$",
    "examples": ["10", "-7.10"],
}


def _number(maximum: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}


QUERY: dict[str, dict[str, Any]] = {
    "payment_min": {**_TOTAL, "description": "only patients whose payment total is at least this"},
    "payment_max": {**_TOTAL, "description": "only patients whose payment total is at most this"},
    "q": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_SEARCH,
        "pattern": r"\S",
        "description": "words that are all part of the patient's names or id; accents and case don't matter",
    },
    "updated_since": {**_TIME, "description": "only rows that changed at this time or later"},
    "count": {
        "type": "string",
        "enum": ["exact"],
        "description": "answer with the number of rows on all pages in X-Total-Count",
    },
    "sort": {
        "type": "string",
        "enum": [sign + key for key in SortKey for sign in ("", "-")],
        "default": SortKey.ID,
        "x-enum-varnames": [f"{key.name}{descending}" for key in SortKey for descending in ("", "_DESCENDING")],
        "description": "with - before it: descending",
    },
    "bins": {**_number(MAX_BINS, DEFAULT_BINS), "description": "at most so many bins"},
    "days": {**_number(MAX_DAYS, DEFAULT_DAYS), "description": "so many days, today included"},
    "limit": {**_number(schemas.MAX_LIMIT, schemas.DEFAULT_LIMIT), "description": "at most so many rows on this page"},
    "min_sync": {
        **SYNC_ID,
        "description": "the id of a sync that the response must include; for reads from a replica after an upload",
    },
    "after": {"type": "string", "description": "the cursor from the Link header of the page before"},
    "bom": {**_FLAG, "description": "begin with a byte order mark, for Excel; only with Accept: text/csv"},
    "external_id": {**TEXT, "description": "the patient's external id"},
    "model": {"$ref": "#/components/schemas/Model"},
    "kind": {"$ref": "#/components/schemas/ChangeKind"},
    "patient": {**TEXT, "description": "the patient's external id; give either this or payment"},
    "payment": {**TEXT, "description": "the payment's external id"},
    "dry_run": {**_FLAG, "description": "return the report and change nothing"},
    "strict": {**_FLAG, "description": "change nothing if any row is rejected"},
    "max_delete": {
        "type": "string",
        "description": "at most so many stored rows of a model may be deleted: a count, or a percentage of them",
        "examples": ["3000", "50%"],
    },
    "taken_at": {
        **_TIME,
        "description": "when the snapshot was taken; one that is older than the last one applied is refused",
    },
}
"""The schema of each query parameter."""

PATH: dict[str, dict[str, Any]] = {
    "externalId": {**TEXT, "description": "percent-encoded, slashes too"},
    "id": {**SYNC_ID, "description": "the id of a sync"},
}
"""The schema of each part of a path."""

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": queries.IDEMPOTENCY_KEY,
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "visible ASCII characters, anew for each request. Sent again with the same request, it gets the "
    "stored answer, and nothing is done twice",
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "the ETag of a former response; 304 if it would be the same again",
}
