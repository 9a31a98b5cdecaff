"""Snapshots in the form of one JSON array."""

import json

import pytest

from builders import gzipped, patient_row
from paymentagg.entrypoints.snapshots.byte_stream import Form
from unit.entrypoints.snapshots.reading import ROW, batches, refusal


@pytest.mark.parametrize("chunk_bytes", [1, 5, 256 * 1024])
@pytest.mark.parametrize("form", [None, Form.ARRAY])
@pytest.mark.parametrize(
    "data",
    [
        b"[",
        b"[" + ROW,
        b"[" + ROW + b",",
        b"[" + ROW[:-1],
        b"[" + ROW[:20],
        b"[" + ROW + b",]",
        b"[,]",
        b"[," + ROW + b"]",
        b"[" + ROW + b",," + ROW + b"]",
        b"[" + ROW + b" " + ROW + b"]",
        b"[" + ROW + ROW + b"]",
        b"[" + ROW + b"}]",
        b"[" + ROW + b"] x",
        b"[" + ROW + b"] " + ROW,
        b"[{}]}",
        b"[1] , 2,",
        b"[] x",
        b"[] []",
        b"[]]",
        b"[]\x00",
        b"[1 2]",
        b"[1",
        b"[01]",
        b"[1.]",
        b"[-]",
        b"[tru]",
        b"[{'externalId': '5'}]",
        b"[/* all */]",
        b"[" + ROW + b"] // done",
        b'[{"externalId": 01}]',
        b'[{"externalId": "5",}]',
        b'[{"externalId": "a\nb"}]',
        b'[{"externalId": "\\q"}]',
        b'[{"externalId": "\\u12"}]',
        b'[{"note": "\\q", ' + ROW[1:] + b"]",
        b'[{"note": "a\tb", ' + ROW[1:] + b"]",
        b'[{"externalId" "5"}]',
        b'[{externalId: "5"}]',
        b"[NaN]",
        b'[{"amount": NaN}]',
        b'[{"amount": Infinity}]',
        b'[{"amount": -Infinity}]',
        b'[{"note": NaN, ' + ROW[1:] + b"]",
        b"\xef\xbb\xbf\xef\xbb\xbf[]",
    ],
)
def test_a_document_that_is_not_json_is_refused_as_a_whole(data: bytes, form: Form | None, chunk_bytes: int) -> None:
    assert refusal(data, form=form, chunk_bytes=chunk_bytes).offset is not None


@pytest.mark.parametrize("form", [None, Form.ARRAY])
@pytest.mark.parametrize(
    "data", [b"null", b"42", b'"x"', b"true", b"{}", b'{"error":"502"}', b'{"patients":[]}', b'{"a":[' + ROW + b"]}"]
)
def test_another_document_than_an_array_is_never_an_empty_snapshot(data: bytes, form: Form | None) -> None:
    assert str(refusal(data, form=form))


def test_an_object_is_refused_where_an_array_is_declared() -> None:
    assert "array" in str(refusal(ROW, form=Form.ARRAY))


def test_a_wrapper_written_over_several_lines_is_refused() -> None:
    assert refusal(json.dumps({"patients": [patient_row()]}, indent=2).encode()).row == 1


@pytest.mark.parametrize("form", [None, Form.ARRAY])
@pytest.mark.parametrize("data", [b"[]", b" [ \n] \r\n", b"\xef\xbb\xbf[]", gzipped(b"[]")])
def test_an_empty_array_is_an_empty_snapshot(data: bytes, form: Form | None) -> None:
    assert batches(data, form=form) == []
