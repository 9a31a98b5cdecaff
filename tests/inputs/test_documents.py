"""JSON as defined by RFC 8259: valid values are read, others are refused, wherever they are in a snapshot.

The cases were written for these tests. Each value is tried as a row, in a field that paymentagg ignores, and in a line.
"""

import json

import pytest
from webtest import TestApp

from api import JSON, NDJSON, PATIENTS, checked, sync
from inputs.posting import post_any
from practice import Practice
from stores import SqlStore

VALUES = [
    *("null", "true", "false", "0", "-0", "1", "-1", "0.1", "-0.0e-0", "1e1", "1E+2", "1e-2", "0e+1", "123456789.5e3"),
    *("1" * 400, "-" + "9" * 5000, "0." + "1" * 400, "1e400", "-1e400", "1e-400", "1e99999999999999999999"),
    *('""', '"a"', r'"\""', r'"\\"', r'"\/\b\f\n\r\t"', r'"\u0000"', r'"\u00e9\u00E9"', r'"\uD834\uDD1E"', r'"\uFFFF"'),
    *('"é"', '"𝄞"', '"\u2028\u2029"', '"\x7f"', '"\uffff"', '"[],{}:"', '"//"', '"/* */"', '" "', f'"{"x" * 10_000}"'),
    *("[]", "[ ]", "[[]]", "[[],[]]", '[null, 1, "1", {}]', "[1 ,\t2 ]", "[" * 100 + "]" * 100),
    *("{}", "{ }", '{"":0}', '{"a":[]}', '{"a":"b","a":"b"}', '{"a":{"b":{"c":null}}}', '{"\\u0061" : "\\u0000"}'),
]
"""Values in one line that the RFC allows. Lone surrogates and deep nesting are in OPTIONAL_VALUES."""

OPTIONAL_VALUES = [
    *(r'"\uD800"', r'"\uDFAA"', r'"\uD888\u1234"', r'"\uDD1E\uD834"', r'"\uD800\n"'),
    *("[" * 500 + "]" * 500, '{"a":' * 500 + "1" + "}" * 500, "[" * 100_000 + "]" * 100_000),
]
"""Values that parsers may refuse (RFC 8259, sections 8.2 and 9)."""

INVALID_VALUES = [
    *("nul", "nulll", "True", "TRUE", "FALSE", "None", "undefined", "NaN", "-NaN", "Infinity", "-Infinity", "inf"),
    *("+1", ".5", "-.5", "5.", "1.e1", "0.3e", "0e+", "1e", "1eE2", "1e1.5", "01", "-01", "00", "-", "--1", "- 1"),
    *("0x1", "0b1", "1_000", "1,000.", "１", "1a", "1 000", "1.2.3", "$1", "%1"),
    *("'a'", '"a', 'a"', '"a""b"', r'"\x00"', r'"\u12"', r'"\u12G4"', r'"\U0041"', r'"\ "', r'"\""\"', r'"\a"'),
    *('"\n"', '"\t"', '"\x00"', '"\x1f"', "`a`", '\\"a\\"', r"\u0061"),
    *("[1,]", "[,1]", "[1,,2]", "[1 2]", "[1", "1]", "[1;2]", "[)", "[1:2]", "[1}", "]["),
    *('{"a"}', '{"a":}', "{a:1}", "{'a':1}", '{"a" 1}', '{"a":1,}', '{,"a":1}', '{"a":1,,"b":2}', '{"a":1 "b":2}'),
    *("{1:1}", "{null:1}", '{"a":1', '{"a"', '{"a":1}}', "{[]:1}", '{"a":1:2}', '{"a"::1}', '{"a",1}', '{"a":1]'),
    *("/**/1", "1//x", "1/**/", "#", "(1)", "*", "\u00a01", "\u20281", "\ufeff1", "\f1", "\v1", "\x001", "<a/>", "&"),
]
INVALID_UTF_8 = [
    *(
        b'"\xff"',
        b'"\xe9"',
        b'"\x81"',
        b'"\xe0\xff"',
        b'"\xc0\xaf"',
        b'"\xc0\x80"',
        b'"\xe0\x80\xaf"',
        b'"\xed\xa0\x80"',
    ),
    *(b'"\xf4\xbf\xbf\xbf"', b'"\xf8\x88\x80\x80\x80"', b'"\xc3"', b'"\xe2\x82"', b'"\xf0\x9f\x98"', b"\xe5", b"\xff"),
]

DOCUMENTS = [
    *((0, body) for body in (b"[]", b" [ ] ", b"[\n\t\r ]\n", b"\xef\xbb\xbf[]")),
    *((1, body) for body in (b"[{}]", b"[{ }\r\n]", b"\n[\n{\n}\n]\n", b'[{"":""}]')),
    *((2, body) for body in (b"[{},{}]", b"[{}\t,\n{}]", b"[[],1]")),
]
"""The number of rows, and a whole document."""

INVALID_DOCUMENTS = [
    *(b"", b" ", b"\n", b"[", b"]", b"[[", b"[]]", b"[}", b"{", b"}", b"{]", b"[{]}", b"[{}", b"{}]", b"[,", b"[{},"),
    *(b"[],", b"[][]", b"[]{}", b"[] #", b"[]//", b"[]\x00", b"\x00[]", b"[]\x1a", b"[]\xef\xbb\xbf", b"\xef\xbb[]"),
    *(b"\xff\xfe[\x00]\x00", b"\xfe\xff\x00[\x00]", b"\xef\xbb\xbf", b"<html></html>", b'"x"', b"42", b"null", b"true"),
    *(
        b"{}",
        b'{"a":[]}',
        b"([])",
        b"[];",
        b"a[]",
        b"[]a",
        b"x=[]",
        b")]}',\n[]",
        b"\x1f\x8b",
        b"--- []",
        b"id,name\n1,a",
    ),
]

ROW = json.dumps(PATIENTS[0]).encode()
Frame = tuple[str, bytes, int]
"""A media type, a snapshot with a placeholder for a value, and the number of its rows."""

FRAMES: dict[str, Frame] = {
    "row": (JSON, b"[%b]", 1),
    "second row": (JSON, b"[{}, %b ,{}]", 3),
    "field": (JSON, b'[{"note": %b, ' + ROW[1:] + b"]", 1),
    "line": (NDJSON, b'{"note":%b,' + ROW[1:] + b"\n", 1),
}


@pytest.fixture(params=list(FRAMES))
def frame(request: pytest.FixtureRequest) -> Frame:
    """Each of FRAMES."""
    name: str = request.param
    return FRAMES[name]


def test_every_json_value_is_read(app: TestApp, full: Practice, frame: Frame) -> None:
    before = full.answers()
    media, snapshot, rows = frame
    for value in VALUES:
        answer = post_any(app, "/patients?dry_run=true", snapshot % value.encode(), media)
        assert (answer.status_int, answer.json.get("patients", {}).get("rows")) == (200, rows), value
    assert full.answers() == before


def test_what_parsers_may_refuse_is_read_or_refused(app: TestApp, full: Practice, frame: Frame) -> None:
    before = full.answers()
    media, snapshot, _ = frame
    for value in OPTIONAL_VALUES:
        answer = post_any(app, "/patients?dry_run=true", snapshot % value.encode(), media)
        assert answer.status_int == 200 or checked(answer, "invalid-snapshot", 400), value
    assert full.answers() == before


def test_what_is_no_json_value_refuses_the_snapshot(app: TestApp, full: Practice, frame: Frame) -> None:
    before = full.answers()
    media, snapshot, _ = frame
    for value in [*map(str.encode, INVALID_VALUES), *INVALID_UTF_8]:
        answer = post_any(app, "/patients?max_delete=100%25", snapshot % value, media)
        assert answer.status_int == 400, value
        checked(answer, "invalid-snapshot", 400)
    assert full.answers() == before


def test_every_array_is_read(app: TestApp, full: Practice) -> None:
    before = full.answers()
    for rows, body in DOCUMENTS:
        answer = post_any(app, "/patients?dry_run=true", body)
        assert (answer.status_int, answer.json.get("patients", {}).get("rows")) == (200, rows), body
    assert full.answers() == before


def test_what_is_no_array_refuses_the_snapshot(app: TestApp, full: Practice) -> None:
    before = full.answers()
    for body in INVALID_DOCUMENTS:
        answer = post_any(app, "/patients?max_delete=100%25", body)
        assert answer.status_int == 400, body
        checked(answer, "invalid-snapshot", 400)
    assert full.answers() == before


@pytest.fixture(scope="module")
def full(app: TestApp, store: SqlStore) -> Practice:
    """The store, with PATIENTS."""
    sync(app, "/patients", PATIENTS)
    return Practice(store)
