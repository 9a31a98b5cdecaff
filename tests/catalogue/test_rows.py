"""R: bad rows, and rows that only look bad. A bad row is rejected, and the stored row with its id stays as it is."""

import json
from typing import Any

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, ids, post, sync
from builders import array, patient_row, payment_row
from cases import catalogued
from practice import Practice

ROWS = {"/patients": PATIENTS, "/payments": PAYMENTS}
PATIENT, PAYMENT = ROWS
ABSENT = None
"""Stands for the JSON text of a field that is left out."""


def text(value: object) -> str:
    """Return the JSON text of a value."""
    return json.dumps(value)


def texts(code: str, *values: object) -> list[tuple[str, str]]:
    """Return the JSON text of each value with the code."""
    return [(text(value), code) for value in values]


BAD_IDS = [
    (ABSENT, "missing"),
    ("null", "missing"),
    *texts("wrong-type", 5, 5.0, True, {}, []),
    *texts("blank", "", "  ", "\u2003"),
    *texts("untrimmed", " 5", "5\n", "\u00a05"),
    *texts("too-long", "5" * 251),
    *texts("invalid-text", "\ud800", "5\x00", "a\x1bb", "a\x7fb", "a\x9fb", "\ufffe", "\U0010ffff"),
]
BAD_NAMES = [
    (ABSENT, "missing"),
    ("null", "missing"),
    *texts("blank", "", " \u00a0"),
    *texts("too-long", "x" * 251, "\u0301" * 251),
    *texts("wrong-type", 5, {}, []),
    *texts("invalid-text", "a\x00b"),
]
BAD_DATES = [
    *("0000-01-01", "10000-01-01", "2023-02-29", "1900-02-29", "20240229", "2024-W09-4", "2024-2-9", "2024", ""),
    *("2024-02-29T00:00Z", " 2024-02-29", "2024-02-29\n", "٢٠٢٤-٠٢-٢٩", "today", "infinity"),
]
BAD_AMOUNTS = [
    *(
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "１２",
        "1_000",
        " 5 ",
        "5\n",
        "+5",
        "5.",
        ".5",
        "05",
        "1,000",
        "$5",
        "0x10",
        "",
    ),
]

BAD_FIELDS: dict[str, list[tuple[str, str, str | None, str]]] = {
    "R02": [(path, "externalId", *bad) for path in ROWS for bad in BAD_IDS[:7]],
    "R03": [(path, "externalId", *bad) for path in ROWS for bad in BAD_IDS[7:14]],
    "R04": [(path, "externalId", *bad) for path in ROWS for bad in BAD_IDS[14:]],
    "R08": [(PATIENT, "firstName", text("e" + "\u0301" * 250), "too-long")],
    "R09": [
        *((PATIENT, name, *bad) for name in ("firstName", "lastName") for bad in BAD_NAMES),
        *((PATIENT, "middleName", *bad) for bad in BAD_NAMES[4:]),
    ],
    "R12": [(PATIENT, "dateOfBirth", text(bad), "invalid-date") for bad in BAD_DATES],
    "R13": [(PATIENT, "dateOfBirth", bad, "wrong-type") for bad in ("20240229", "true", "[]", "{}")],
    "R15": [
        (PAYMENT, "amount", bad, "too-many-decimals")
        for bad in ("1.005", "0.001", "0.30000000000000004", '"1.005"', "1e-3", "1e-999999999")
    ],
    "R16": [
        (PAYMENT, "amount", bad, "out-of-range")
        for bad in ("10000000000", "-10000000000.00", "1e400", "1e999999999", "1e9999999999999999999", "9" * 5000)
    ],
    "R17": [(PAYMENT, "amount", text(bad), "invalid-amount") for bad in BAD_AMOUNTS],
    "R18": [
        *((PAYMENT, "amount", bad, "wrong-type") for bad in ("true", "[]", "{}")),
        *((PAYMENT, "amount", bad, "missing") for bad in ("null", ABSENT)),
    ],
    "R19": [
        *((PAYMENT, "patientId", text(bad), "unknown-patient") for bad in ("nobody", "05", "501")),
        *((PAYMENT, "patientId", *bad) for bad in BAD_IDS),
    ],
}


@pytest.mark.parametrize(("path", "field", "bad", "code"), catalogued(BAD_FIELDS))
def test_a_row_with_a_bad_field_is_rejected_and_no_other(
    app: TestApp, stored: Practice, path: str, field: str, bad: str | None, code: str
) -> None:
    before = stored.rows
    first, second, *others = ROWS[path]
    body = snapshot(written(first), written(second, **{field: bad}), *map(written, others))

    report = post(app, path, body).json

    unreadable = field == "externalId"
    (error,) = report["errors"]
    assert (error["row"], error["field"], error["code"]) == (2, field, code)
    assert error["externalId"] == (None if unreadable else second["externalId"])
    assert report[path[1:]] == counts(
        unchanged=len(others) + 1, rejected=1, suspended="unreadable-external-id" if unreadable else None
    )
    assert stored.rows == before


@pytest.mark.parametrize(
    ("path", "bad"), catalogued({"R01": [(path, bad) for path in ROWS for bad in ("null", '"x"', "[]", "[{}]", "5")]})
)
def test_a_row_that_is_no_object_is_rejected_and_suspends_deletions(
    app: TestApp, stored: Practice, path: str, bad: str
) -> None:
    before = stored.rows
    report = post(app, path, snapshot(bad, *map(written, ROWS[path][1:]))).json
    assert [(error["row"], error["externalId"], error["code"]) for error in report["errors"]] == [
        (1, None, "not-an-object")
    ]
    assert report[path[1:]]["deletionsSuspended"] == "unreadable-external-id"
    assert stored.rows == before


STRANGE = [
    *("'; DROP TABLE patients;--", "%", "_", "\\", "a\\tb", "\\N", "\\.", "<script>", "{{7*7}}", '=HYPERLINK("x")'),
    *("+1", "-1", "@x", '"', ",", "NULL", "null", "a\u2028b"),
]

GOOD_FIELDS: dict[str, list[tuple[str, str, str | None, object]]] = {
    "R05": [(PATIENT, "externalId", text(good), good) for good in ("a1", "A1", "\u00e9", "e\u0301", "05")],
    "R06": [(PAYMENT, "externalId", '"5"', "5"), (PATIENT, "externalId", '"501"', "501")],
    "R07": [
        (path, field, text(good), good)
        for path, field in ((PATIENT, "externalId"), (PATIENT, "lastName"), (PAYMENT, "externalId"))
        for good in STRANGE
    ],
    "R08": [
        (PATIENT, field, text(good), good)
        for field in ("externalId", "firstName")
        for good in ("\U0001f600", "a\u202eb", "e" + "\u0301" * 249, "\U0001f600" * 250)
    ],
    "R10": [(PATIENT, "middleName", good, None) for good in (ABSENT, "null", '""', '"  "')],
    "R11": [
        *((PATIENT, "dateOfBirth", text(d), d) for d in ("2094-02-01", "0001-01-01", "9999-12-31", "2024-02-29")),
        *((PATIENT, "dateOfBirth", good, None) for good in ("null", ABSENT)),
    ],
    "R14": [
        *((PAYMENT, "amount", good, good) for good in ("4.46", "7.10", "-5.00")),
        *((PAYMENT, "amount", good, "7.10") for good in ("7.1", "7.100", "71e-1", '"7.1"', "0.71E+1")),
        *((PAYMENT, "amount", good, "0.00") for good in ("0", "-0", "-0.0", "0e999999999", '"-0"')),
        (PAYMENT, "amount", "1e2", "100.00"),
    ],
    "R16": [(PAYMENT, "amount", good, good) for good in ("9999999999.99", "-9999999999.99")],
    "R22": [
        *((PATIENT, "note", good, None) for good in ('{"externalId": {"a": "}"}}', "[[1, {}], null]", "9" * 5000)),
        *((PATIENT, field, '"x"', None) for field in ("amount", "patientId")),
    ],
}


@pytest.mark.parametrize(("path", "field", "good", "kept"), catalogued(GOOD_FIELDS))
def test_a_row_that_only_looks_bad_is_stored(
    app: TestApp, path: str, field: str, good: str | None, kept: object
) -> None:
    new = patient_row("new") if path == PATIENT else payment_row("new", "5")

    report = post(app, path, snapshot(*map(written, ROWS[path]), written(new, **{field: good}))).json

    assert report[path[1:]] == counts(unchanged=len(ROWS[path]), created=1)
    row = json.loads(app.get(path).text, parse_float=str)[-1]
    assert row.get(field) == kept
    assert row["externalId"] == (kept if field == "externalId" else "new")


@pytest.mark.parametrize("sent", [pytest.param("9", id="R22-id-number"), pytest.param('"x"', id="R22-id-text")])
def test_fields_that_the_server_generates_are_ignored(app: TestApp, stored: Practice, sent: str) -> None:
    before = stored.rows
    generated = {"id": sent, "created": sent, "updated": '"2020-01-01T00:00:00Z"'}
    report = post(app, PATIENT, snapshot(*(written(row, **generated) for row in PATIENTS))).json
    assert report["patients"] == counts(unchanged=3)
    assert stored.rows == before


OF_FIVE = payment_row("501", "5", "4.46")
SAME_ID: dict[str, list[tuple[list[dict[str, Any]], list[tuple[int, str]]]]] = {
    "R19": [([payment_row("501", "nobody"), OF_FIVE], [(1, "unknown-patient")])],
    "R20": [
        ([OF_FIVE, OF_FIVE, OF_FIVE], [(2, "duplicate-external-id"), (3, "duplicate-external-id")]),
        ([OF_FIVE, OF_FIVE | {"amount": "4.460"}], [(2, "duplicate-external-id")]),
        ([OF_FIVE, OF_FIVE | {"amount": "5"}], [(1, "conflicting-external-id"), (2, "conflicting-external-id")]),
        (
            [OF_FIVE, OF_FIVE | {"patientId": "6"}, OF_FIVE],
            [(1, "conflicting-external-id"), (2, "conflicting-external-id"), (3, "conflicting-external-id")],
        ),
    ],
    "R21": [
        ([OF_FIVE | {"amount": "x"}, OF_FIVE], [(1, "invalid-amount")]),
        ([OF_FIVE, OF_FIVE | {"patientId": 5}], [(2, "wrong-type")]),
    ],
}


@pytest.mark.parametrize(("rows", "errors"), catalogued(SAME_ID))
def test_of_rows_with_the_same_id_the_good_one_is_synced(
    app: TestApp, stored: Practice, rows: list[dict[str, Any]], errors: list[tuple[int, str]]
) -> None:
    before = stored.rows
    report = post(app, PAYMENT, array(*rows, *PAYMENTS[1:])).json
    assert [(error["row"], error["code"]) for error in report["errors"]] == errors
    assert stored.rows == before


@pytest.mark.parametrize("number", [pytest.param(30_000, id="R23")])
def test_of_many_bad_rows_the_first_are_listed_and_the_rest_is_counted(
    app: TestApp, stored: Practice, number: int
) -> None:
    before = stored.rows
    answer = post(app, PATIENT, array(*(patient_row(f"bad{row}", firstName="") for row in range(number))))
    assert answer.json["patients"] == counts(rejected=number, suspended="mostly-rejected")
    assert [error["row"] for error in answer.json["errors"]] == list(range(1, 101))
    assert answer.json["errorsOmitted"] == number - 100
    assert len(answer.body) < 30_000
    assert stored.rows == before


@pytest.mark.parametrize("alike", [pytest.param(["a1", "A1", "\u00e9", "e\u0301", "05"], id="R05")])
def test_ids_that_look_alike_are_different_rows(app: TestApp, alike: list[str]) -> None:
    sync(app, PATIENT, [*PATIENTS, *(patient_row(each) for each in alike)])
    assert ids(app.get(PATIENT)) == ["5", "6", "8", *alike]


def written(row: dict[str, Any], **texts: str | None) -> str:
    """Return a row in JSON, with these texts for some fields; ABSENT leaves a field out."""
    fields = {name: json.dumps(value) for name, value in row.items()} | texts
    return "{" + ",".join(f'"{name}": {value}' for name, value in fields.items() if value is not None) + "}"


def snapshot(*rows: str) -> bytes:
    """Return a JSON array of these rows, given in JSON."""
    return f"[{', '.join(rows)}]".encode()


def counts(
    *, unchanged: int = 0, created: int = 0, rejected: int = 0, suspended: str | None = None
) -> dict[str, int | str | None]:
    """Return a model's part of a report, without updates and deletions."""
    rows = unchanged + created + rejected
    done = {"rows": rows, "created": created, "updated": 0, "unchanged": unchanged, "rejected": rejected, "deleted": 0}
    return done | {"deletionsSuspended": suspended}
