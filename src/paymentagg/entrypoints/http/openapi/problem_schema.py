"""The one schema of all errors, and the responses that refer to it."""

from collections.abc import Iterable
from typing import Any

from paymentagg.entrypoints.http.problem_codes import PROBLEMS

MEDIA = "application/problem+json"
_URN = "urn:paymentagg:problem:"
_COUNT = {"type": "integer", "format": "int64", "minimum": 0}

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "An error (RFC 9457). The end of its type is the code, which programs can rely on; detail is for "
    "people. Which of the other members it has depends on the code.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "enum": [f"{_URN}{code}" for code in PROBLEMS],
            "x-enum-varnames": [code.upper().replace("-", "_") for code in PROBLEMS],
        },
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "parameter": {"type": "string", "description": "invalid-parameter: the parameter, part or header"},
        "offset": {**_COUNT, "description": "invalid-snapshot: the byte of the expanded snapshot, from 0, if known"},
        "row": {**_COUNT, "description": "invalid-snapshot: the row, or line of NDJSON, from 1, if known"},
        "model": {"$ref": "#/components/schemas/Model"},
        "stored": {**_COUNT, "description": "deletion-guard: how many rows of the model are stored"},
        "wouldDelete": {**_COUNT, "description": "deletion-guard: how many of them would be deleted"},
        "limit": {**_COUNT, "description": "deletion-guard: how many of them may be"},
        "errors": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Rejection"},
            "description": "rejected-rows: the first hundred of them",
        },
        "errorsOmitted": {**_COUNT, "description": "rejected-rows: how many more there are"},
        "id": {"type": "string", "description": "internal: what to look for in the server's log"},
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "Allow": {"schema": {"type": "string"}, "description": "the methods that there are"},
    "Accept-Encoding": {"schema": {"type": "string"}, "description": "the content encodings that are supported"},
    "Retry-After": {"schema": {"type": "integer"}, "description": "the seconds to wait before the next attempt"},
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"},
}
_HEADERS_OF = {
    "unauthorized": "WWW-Authenticate",
    "unsupported-encoding": "Accept-Encoding",
    "sync-in-progress": "Retry-After",
    "too-many-requests": "Retry-After",
    "database-unavailable": "Retry-After",
    "audit-unavailable": "Retry-After",
}


def responses(codes: Iterable[str]) -> dict[str, Any]:
    """Return the OpenAPI responses for the problems with these codes, by status."""
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    return {status: _response(codes) for status, codes in sorted(by_status.items())}


def _response(codes: list[str]) -> dict[str, Any]:
    description = "; ".join(f"{code}: {PROBLEMS[code][1]}" for code in codes)
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for code in codes if (name := _HEADERS_OF.get(code))}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def _example(code: str) -> dict[str, Any]:
    status, title = PROBLEMS[code]
    problem = {"type": f"{_URN}{code}", "title": title, "status": status, "detail": _DETAILS.get(code, title.lower())}
    return problem | _MEMBERS.get(code, {})


_DETAILS = {
    "invalid-parameter": "payment_mni: is not a known parameter here; there are bins, payment_min, payment_max",
    "invalid-snapshot": "the snapshot can't be read (row 3, byte 211): it ends in the middle of a row",
    "deletion-guard": "4,000 of 5,000 patients and 31,005 of 40,000 payments would be deleted, and at most "
    "1,000 patients (20%) may be; if that is right: max_delete=31005",
    "sync-in-progress": "another sync is running; try again when it is done",
    "internal": "search the server's log for this id",
}
_MEMBERS: dict[str, dict[str, Any]] = {
    "invalid-parameter": {"parameter": "payment_mni"},
    "invalid-snapshot": {"offset": 211, "row": 3},
    "deletion-guard": {"model": "patient", "stored": 5000, "wouldDelete": 4000, "limit": 1000},
    "internal": {"id": "6d0f0a86-0d4c-4f3a-9e0e-3f4f1f0c7a51"},
}

EXAMPLES = {code: {"summary": title, "value": _example(code)} for code, (_, title) in PROBLEMS.items()}
"""An example of each problem by its code."""
