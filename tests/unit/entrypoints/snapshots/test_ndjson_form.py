"""Snapshots in the form of NDJSON, one JSON object per line."""

import pytest

from builders import ndjson, patient, patient_row
from paymentagg.entrypoints.snapshots.byte_stream import Form
from unit.entrypoints.snapshots.reading import GOOD, ROW, batches, patients, refusal, rejected


def test_a_single_row_is_ndjson_of_one_line() -> None:
    assert patients(ROW) == [patient()]
    assert patients(ROW + b"\n") == [patient()]


def test_a_single_bad_row_with_an_id_is_no_wrapper() -> None:
    assert rejected(b'{"externalId": "5", "firstName": "Rick"}') == [(1, "5", "lastName", "missing")]
    assert rejected(b'{"externalId": 5}') == [(1, None, "externalId", "wrong-type")]


@pytest.mark.parametrize("form", [None, Form.NDJSON])
@pytest.mark.parametrize("chunk_bytes", [1, 256 * 1024])
@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"[]",
        b"[" + ROW + b"]",
        ROW[:-1],
        ROW + b",",
        ROW + ROW,
        ROW + b" " + ROW,
        b"NaN",
        b"{'a': 1}",
        b"}",
        b"01",
    ],
)
def test_a_line_of_ndjson_that_is_no_row_is_refused(line: bytes, form: Form | None, chunk_bytes: int) -> None:
    for snapshot in (ROW + b"\n" + line + b"\n" + ROW, ROW + b"\n\n" + line):
        refused = refusal(snapshot, form=form, chunk_bytes=chunk_bytes)
        assert refused.row == 2
        assert refused.offset is not None
        assert refused.offset > len(ROW)


def test_a_row_of_ndjson_must_not_go_on_in_the_next_line() -> None:
    row = ROW.replace(b", ", b",\n", 1)
    assert refusal(row + b"\n", form=Form.NDJSON).row == 1
    assert refusal(row + ROW + b"\n", form=Form.NDJSON).row == 1


@pytest.mark.parametrize("chunk_bytes", [1, 256 * 1024])
def test_blank_lines_of_ndjson_are_skipped_and_not_counted(chunk_bytes: int) -> None:
    data = b"\n \r\n" + ROW + b"\r\n\n\t\nnull\n" + ROW + b"  \n\n1"
    read = batches(data, form=Form.NDJSON, chunk_bytes=chunk_bytes)
    assert [number for batch in read for number in batch.numbers] == [1, 3]
    assert [(r.row, r.code) for batch in read for r in batch.rejections] == [(2, "not-an-object"), (4, "not-an-object")]


def test_an_array_is_refused_as_ndjson_and_the_other_way_round() -> None:
    assert "line" in str(refusal(GOOD, form=Form.NDJSON))
    assert "array" in str(refusal(ndjson(patient_row()), form=Form.ARRAY))
