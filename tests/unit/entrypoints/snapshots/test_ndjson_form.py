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
    for snapshot, row in ((ROW + b"\n" + line + b"\n" + ROW, 2), (ROW + b"\n\n" + line, 3)):
        refused = refusal(snapshot, form=form, chunk_bytes=chunk_bytes)
        assert refused.row == row
        assert refused.offset is not None
        assert refused.offset > len(ROW)


def test_a_row_of_ndjson_must_not_go_on_in_the_next_line() -> None:
    row = ROW.replace(b", ", b",\n", 1)
    assert refusal(row + b"\n", form=Form.NDJSON).row == 1
    assert refusal(row + ROW + b"\n", form=Form.NDJSON).row == 1


@pytest.mark.parametrize("chunk_bytes", [1, 7, 256 * 1024])
def test_rows_of_ndjson_are_numbered_by_their_lines_and_blank_lines_count(chunk_bytes: int) -> None:
    data = b"\n \r\n" + ROW + b"\r\n\n\t\nnull\n" + ROW + b"  \n\n1"
    read = batches(data, form=Form.NDJSON, chunk_bytes=chunk_bytes)
    assert [number for batch in read for number in batch.numbers] == [3, 7]
    assert [(r.row, r.code) for batch in read for r in batch.rejections] == [(6, "not-an-object"), (9, "not-an-object")]


@pytest.mark.parametrize("start", [b"", b"\n", b"\xef\xbb\xbf\n\n", b" \n" * 5_000])
@pytest.mark.parametrize("between", [b"\n", b"\n\n", b"\r\n\r\n\r\n"])
@pytest.mark.parametrize("chunk_bytes", [64, 256 * 1024])
def test_the_number_of_a_row_of_ndjson_is_its_line_wherever_it_is(
    start: bytes, between: bytes, chunk_bytes: int
) -> None:
    rows = [ROW, ROW, b"{}", ROW] * 50
    data = start + between.join(rows)
    numbers = [
        number
        for batch in batches(data, form=Form.NDJSON, chunk_bytes=chunk_bytes)
        for number in sorted([*batch.numbers, *(rejection.row for rejection in batch.rejections)])
    ]
    assert numbers == [line for line, text in enumerate(data.split(b"\n"), 1) if text.strip(b" \r\xef\xbb\xbf")]


def test_the_line_of_an_unreadable_row_is_named() -> None:
    assert refusal(ROW + b"\n\n\n" + ROW + b"\n\nx", form=Form.NDJSON).row == 6
    assert refusal(b"\n\n" + ROW + b"\n\n" + b"[" * 2_000_000, form=Form.NDJSON).row == 5
    assert refusal(b'\n\n{"error": 1}').row == 3


def test_an_array_is_refused_as_ndjson_and_the_other_way_round() -> None:
    assert "line" in str(refusal(GOOD, form=Form.NDJSON))
    assert "array" in str(refusal(ndjson(patient_row()), form=Form.ARRAY))
