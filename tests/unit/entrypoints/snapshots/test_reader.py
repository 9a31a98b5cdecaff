"""The reader of snapshots, tested with the catalogue of bad inputs (reliability.md, section 3): T, J and R.

This file has the tests that concern both forms of a snapshot: encoding, nesting, positions of errors, numbers of rows.
The other files of this folder are about one form, or about the values of one kind of field.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from builders import array, gzipped, ndjson, patient, patient_row, payment_row
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_payments
from unit.entrypoints.snapshots.reading import BOTH, GOOD, PLENTY, ROW, batches, patients, refusal, rejected


@pytest.mark.parametrize("data", [GOOD, ndjson(patient_row("5"), patient_row("6"))])
def test_a_byte_order_mark_is_tolerated(data: bytes) -> None:
    assert patients(b"\xef\xbb\xbf" + data, chunk_bytes=2) == BOTH


@pytest.mark.parametrize("chunk_bytes", [1, 256 * 1024])
@pytest.mark.parametrize("field", ["firstName", "note", "middleName"])
@pytest.mark.parametrize(
    "raw", [b"\xe9", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80"]
)
def test_invalid_utf_8_in_any_field_is_refused(raw: bytes, field: str, chunk_bytes: int) -> None:
    row = json.dumps(patient_row() | {field: "?!"}).encode()
    for snapshot in (b"[" + row + b"]", row + b"\n"):
        refused = refusal(snapshot.replace(b"?!", b"x" + raw), chunk_bytes=chunk_bytes)
        assert "UTF-8" in str(refused)
        assert refused.row == 1
        assert refused.offset == snapshot.index(b"?!") + 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("form", [None, Form.ARRAY, Form.NDJSON])
def test_other_encodings_are_refused(encoding: str, form: Form | None) -> None:
    assert str(refusal(GOOD.decode().encode(encoding), form=form))
    assert str(refusal(ROW.decode().encode(encoding), form=form))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"[" + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"]",
        b'[{"externalId":"5","note":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    assert "nested" in str(refusal(data))


@pytest.mark.parametrize(
    ("data", "row", "offset"),
    [
        (b"[" + ROW + b", x]", 2, len(ROW) + 3),
        (b"\xef\xbb\xbf [" + ROW + b", x]", 2, len(ROW) + 7),
        (b"[" + ROW + b" x]", None, len(ROW) + 2),
        (b"[1, null, ]", 3, 10),
        (b'["\xc3\xa9", x]', 2, 7),
        (ROW + b"\n\n  x\n", 3, len(ROW) + 4),
        (b"[] x", None, 3),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 256 * 1024])
def test_a_refusal_says_where(data: bytes, row: int | None, offset: int, chunk_bytes: int) -> None:
    refused = refusal(data, chunk_bytes=chunk_bytes)
    assert (refused.row, refused.offset) == (row, offset)
    assert refusal(gzipped(data), chunk_bytes=chunk_bytes).offset == offset


def test_a_refusal_shows_no_value_of_the_file() -> None:
    secret = patient_row(lastName="Batty")
    for data in (array(secret)[:-8], array(secret)[:-3], ndjson(secret)[:-8], array(secret) + b"Batty", b"Batty"):
        assert "Batty" not in str(refusal(data))


def test_rows_are_numbered_from_1_with_the_rejected_ones() -> None:
    (batch,) = batches(array(patient_row("5"), None, patient_row("6"), patient_row("7", lastName=" ")))
    assert (batch.records, list(batch.numbers)) == ([patient("5"), patient("6")], [1, 3])
    assert [rejection.row for rejection in batch.rejections] == [2, 4]


@pytest.mark.parametrize("name", ["Rick", "\\"])
def test_the_numbers_of_good_rows_are_a_range(name: str) -> None:
    rows = [patient_row(str(number), firstName=name) for number in range(1, 51)]
    read = batches(array(*rows), chunk_bytes=1000)
    assert len(read) > 1
    assert all(isinstance(batch.numbers, range) and len(batch.numbers) == len(batch.records) for batch in read)
    assert [number for batch in read for number in batch.numbers] == list(range(1, 51))


@pytest.mark.parametrize("position", [0, 1, 700, 1499])
@pytest.mark.parametrize("form", [array, ndjson])
def test_one_bad_row_among_many_is_the_one_that_is_rejected(form: Callable[..., bytes], position: int) -> None:
    rows: list[Any] = [payment_row(str(number)) for number in range(1500)]
    rows[position]["amount"] = 1.005
    read = list(read_payments(io.BytesIO(form(*rows)), Reading(PLENTY)))
    assert [(r.row, r.code) for batch in read for r in batch.rejections] == [(position + 1, "too-many-decimals")]
    numbers = [
        (number, p.external_id) for batch in read for number, p in zip(batch.numbers, batch.records, strict=True)
    ]
    assert numbers == [(number + 1, str(number)) for number in range(1500) if number != position]


@pytest.mark.parametrize("row", [None, "x", [], [patient_row()], 1, 1.5, True])
def test_a_row_that_is_no_object_is_rejected(row: object) -> None:
    assert rejected(array(patient_row("1"), row, patient_row("2"))) == [(2, None, None, "not-an-object")]


def test_a_good_row_with_the_id_of_a_bad_one_is_taken() -> None:
    (batch,) = batches(array(patient_row("5", lastName=""), patient_row("5")))
    assert (batch.records, [r.external_id for r in batch.rejections]) == ([patient("5")], ["5"])


def test_unknown_fields_are_ignored() -> None:
    extra = {"id": "x", "created": 5, "updated": None, "a": [{"externalId": {"b": "}"}}], "amount": "NaN"}
    assert patients(array(patient_row(**extra), patient_row())) == [patient(), patient()]


def test_a_number_of_any_length_is_ignored_in_an_unknown_field() -> None:
    row = ROW.replace(b"{", b'{"note": ' + b"1" * 5000 + b", ", 1)
    assert patients(b"[" + row + b', {"note": "\\\\", ' + row[1:] + b"]") == [patient(), patient()]


def test_the_last_value_of_a_repeated_name_counts() -> None:
    data = b'[{"externalId":"4","firstName":"Rick","lastName":"x","lastName":"Deckard","externalId":"5"%b}]'
    assert patients(data % b"") == patients(data % b',"note":"\\\\","middleName":5,"middleName":null')


def test_all_forms_of_the_same_rows_read_the_same() -> None:
    rows = [patient_row("5"), patient_row("6")]
    for data in (array(*rows), ndjson(*rows), ndjson(*rows)[:-1], json.dumps(rows, indent=3).encode()):
        assert [p.external_id for p in patients(data)] == [p.external_id for p in patients(gzipped(data))] == ["5", "6"]
