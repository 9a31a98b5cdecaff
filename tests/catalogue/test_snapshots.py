"""J: a snapshot that can't be read completely is refused completely, and never treated as an empty one."""

import json

import pytest
from webtest import TestApp

from api import JSON, NDJSON, PATIENTS, checked, post
from builders import array, ndjson
from cases import catalogued
from practice import Practice

ROW = json.dumps(PATIENTS[0]).encode()
ROWS = array(*PATIENTS)
LINES = ndjson(*PATIENTS)
DEEP = 100_000

UNREADABLE = {
    "J01": [
        *((JSON, body) for body in (b"[", b"[" + ROW, b"[" + ROW + b",", ROWS[:-1], ROWS[:-2], ROWS[:20])),
        *((JSON, body) for body in (b"[" + ROW + b",]", b"[,]", b"[" + ROW + ROW + b"]", b"[" + ROW + b"}]")),
        *((JSON, body) for body in (b"[] x", b"[] []", b"[]]", b"[]\x00", ROWS + b"// done", b"[/* all */]")),
        *((JSON, body) for body in (b"[{'externalId': '5'}]", b'[{externalId: "5"}]', b'[{"externalId" "5"}]')),
        *((JSON, body) for body in (b"[01]", b"[1.]", b"[-]", b"[tru]", b"[1 2]", b'[{"amount": 01}]')),
        *((JSON, body) for body in (b'[{"externalId": "a\nb"}]', b'[{"externalId": "\\q"}]', b'[{"a": "\\u12"}]')),
        (NDJSON, LINES[:-2]),
        (NDJSON, LINES[:20]),
    ],
    "J02": [
        *((JSON, body) for body in (b"null", b"42", b'"x"', b"true", b"{}", b'{"error":"502"}', b'{"patients":[]}')),
        (JSON, b'{"patients":' + ROWS + b"}"),
        (JSON, ROW),
    ],
    "J03": [(JSON, b"\xef\xbb\xbf" * 2 + ROWS)],
    "J04": [
        *((JSON, ROWS.decode().encode(encoding)) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        *((NDJSON, LINES.decode().encode(encoding)) for encoding in ("utf-16", "utf-32-be")),
        *(
            (JSON, ROWS.replace(b"Rick", b"R" + raw))
            for raw in (b"\xe9", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82")
        ),
        (JSON, b'[{"note": "\xff", ' + ROW[1:] + b"]"),
        (NDJSON, LINES.replace(b"Rick", b"R\xe9")),
    ],
    "J05": [
        *((JSON, b'[{"amount": %b}]' % number) for number in (b"NaN", b"Infinity", b"-Infinity")),
        (JSON, b'[{"note": NaN, ' + ROW[1:] + b"]"),
        (JSON, b"[NaN]"),
    ],
    "J06": [
        (JSON, b"[" * DEEP + b"]" * DEEP),
        (JSON, b'[{"note":' + b"[" * DEEP + b"]" * DEEP + b"}]"),
        (NDJSON, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        (JSON, b"[" + b"1" * 5_000_000 + b"]"),
        (JSON, b'[{"externalId": "' + b"x" * 100_000_000 + b'"}]'),
    ],
    "J07": [
        *((NDJSON, LINES + line) for line in (b"x", b"[]", b"NaN", b"}", ROW[:-1], ROW + b",", ROW + ROW)),
        (NDJSON, ROW.replace(b", ", b",\n", 1)),
    ],
    "J08": [(NDJSON, ROWS), (JSON, LINES)],
}


@pytest.mark.parametrize(("media", "body"), catalogued(UNREADABLE))
def test_what_cannot_be_read_whole_is_refused_whole(app: TestApp, stored: Practice, media: str, body: bytes) -> None:
    before = stored.answers()
    answer = post(app, "/patients?max_delete=100%25", body, media, status=400)
    checked(answer, "invalid-snapshot", 400)
    assert stored.answers() == before


READABLE = {
    "J03": [(JSON, b"\xef\xbb\xbf" + ROWS), (NDJSON, b"\xef\xbb\xbf" + LINES)],
    "J07": [(NDJSON, b"\n \r\n" + LINES.replace(b"\n", b"\r\n\n\t\n")), (NDJSON, LINES[:-1])],
}


@pytest.mark.parametrize(("media", "body"), catalogued(READABLE))
def test_a_byte_order_mark_and_blank_lines_are_passed_over(
    app: TestApp, stored: Practice, media: str, body: bytes
) -> None:
    before = stored.rows
    report = post(app, "/patients?strict=true", body, media).json
    assert (report["patients"]["rows"], report["patients"]["unchanged"]) == (3, 3)
    assert stored.rows == before


@pytest.mark.parametrize("path", [pytest.param(path, id=f"J09{path}") for path in ("/patients", "/payments")])
def test_no_rows_at_all_are_a_snapshot_of_an_empty_store(empty: TestApp, path: str) -> None:
    report = post(empty, path, b"[]").json
    assert report[path[1:]]["rows"] == report[path[1:]]["deleted"] == 0
    assert empty.get(path).json == []


@pytest.mark.parametrize("path", [pytest.param(path, id=f"J10{path}") for path in ("/patients", "/payments")])
def test_no_rows_at_all_delete_a_full_store_if_the_guard_lets_them(app: TestApp, stored: Practice, path: str) -> None:
    before = stored.answers()
    model = {"/patients": "patient", "/payments": "payment"}[path]
    problem = checked(post(app, f"{path}?max_delete=50%25", b"[]", status=409), "deletion-guard", 409)
    assert (problem["model"], problem["wouldDelete"]) == (model, problem["stored"])
    assert stored.answers() == before
    post(app, f"{path}?max_delete=100%25", b"[]")
    assert app.get(path).json == app.get("/payments").json == []
