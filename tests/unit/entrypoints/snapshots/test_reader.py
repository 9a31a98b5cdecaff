"""The reader of snapshots, held against the catalogue of bad inputs (reliability.md, section 3): T, J and R."""

import io
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from builders import array, gzipped, ndjson, patient, patient_row, payment, payment_row
from paymentagg.domain.errors import InvalidSnapshot, SnapshotTooLarge
from paymentagg.domain.model import Patient
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments
from paymentagg.entrypoints.snapshots.row_reader import MAX_ROW_BYTES

PLENTY = 1 << 40


class Repeated:
    """A stream of ``start``, then ``times`` times ``filling``, then ``end``, of which little exists at a time."""

    def __init__(self, start: bytes, filling: bytes, times: int, end: bytes = b"") -> None:
        self._pieces = self._all(start, filling * 1000, times // 1000, end)
        self._left = b""

    @staticmethod
    def _all(start: bytes, filling: bytes, times: int, end: bytes) -> Iterator[bytes]:
        yield start
        for _ in range(times):
            yield filling
        yield end

    def read(self, size: int, /) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def batches(data: bytes, **options: Any) -> list[Batch[Patient]]:
    return list(read_patients(io.BytesIO(data), Reading(**({"max_bytes": PLENTY} | options))))


def patients(data: bytes, **options: Any) -> list[Patient]:
    """Return the patients of a snapshot without rejected rows."""
    read = batches(data, **options)
    assert [rejection for batch in read for rejection in batch.rejections] == []
    return [record for batch in read for record in batch.records]


def rejected(data: bytes) -> list[tuple[int, str | None, str | None, str]]:
    return [(r.row, r.external_id, r.field, r.code) for batch in batches(data) for r in batch.rejections]


def payment_rejected(data: bytes) -> list[tuple[int, str | None, str | None, str]]:
    read = read_payments(io.BytesIO(data), Reading(PLENTY))
    return [(r.row, r.external_id, r.field, r.code) for batch in read for r in batch.rejections]


def amounts(literal: str) -> list[Decimal]:
    data = f'[{{"externalId": "501", "patientId": "5", "amount": {literal}}}]'.encode()
    read = read_payments(io.BytesIO(data), Reading(PLENTY))
    return [record.amount for batch in read for record in batch.records]


def amount_codes(literal: str) -> list[str]:
    data = f'[{{"externalId": "501", "patientId": "5", "amount": {literal}}}]'.encode()
    return [code for _, external_id, field, code in payment_rejected(data) if (external_id, field) == ("501", "amount")]


def refusal(data: bytes, **options: Any) -> InvalidSnapshot:
    with pytest.raises(InvalidSnapshot) as refused:
        batches(data, **options)
    return refused.value


ROW = json.dumps(patient_row()).encode()
GOOD = array(patient_row("5"), patient_row("6"))
BOTH = [patient("5"), patient("6")]


# Transport


@pytest.mark.parametrize("form", [None, Form.ARRAY, Form.NDJSON])
@pytest.mark.parametrize("data", [b"", b" \r\n\t\n", b"\xef\xbb\xbf", gzipped(b"")])
def test_an_empty_body_is_no_snapshot(data: bytes, form: Form | None) -> None:
    assert "empty" in str(refusal(data, form=form))


def test_an_empty_body_is_no_gzip_either() -> None:
    assert "empty" in str(refusal(b"", gzipped=True))


@pytest.mark.parametrize("said", [None, True])
@pytest.mark.parametrize(
    "data",
    [gzipped(GOOD), gzipped(GOOD[:9]) + gzipped(GOOD[9:]), gzipped(GOOD) + gzipped(b"")],
    ids=["one", "two", "0"],
)
def test_gzip_of_one_or_more_members_is_read(data: bytes, said: bool | None) -> None:
    assert patients(data, gzipped=said) == BOTH


@pytest.mark.parametrize("chunk_bytes", [1, 7, 256 * 1024])
@pytest.mark.parametrize(
    "data",
    [
        gzipped(GOOD)[:-1],
        gzipped(GOOD)[:-9],
        gzipped(GOOD)[:5],
        gzipped(GOOD)[:2],
        gzipped(GOOD)[:-8] + b"\x00\x00\x00\x00" + gzipped(GOOD)[-4:],
        gzipped(GOOD)[:-4] + b"\x00\x00\x00\x01",
        gzipped(GOOD) + b"x",
        gzipped(GOOD) + GOOD,
        gzipped(GOOD)[:10] + b"\xff" * 20,
        gzipped(GOOD)[:2] + b"\x07" + gzipped(GOOD)[3:],
    ],
)
def test_damaged_gzip_is_refused(data: bytes, chunk_bytes: int) -> None:
    assert "gzip" in str(refusal(data, chunk_bytes=chunk_bytes))


def test_what_is_said_to_be_gzip_but_is_not_is_refused() -> None:
    assert "gzip" in str(refusal(GOOD, gzipped=True))


def test_what_is_said_not_to_be_gzip_is_not_expanded() -> None:
    assert refusal(gzipped(GOOD), gzipped=False).offset == 0


def test_a_snapshot_as_large_as_the_limit_is_read() -> None:
    assert patients(GOOD, max_bytes=len(GOOD)) == BOTH


@pytest.mark.parametrize("chunk_bytes", [1, 256 * 1024])
@pytest.mark.parametrize(
    ("data", "limit"),
    [(GOOD, len(GOOD) - 1), (gzipped(GOOD), len(GOOD) - 1), (b"[]" + b" " * 99, 100), (gzipped(b"[]"), 21)],
    ids=["as sent", "expanded", "white space", "more as sent than expanded"],
)
def test_a_snapshot_over_the_limit_is_too_large(data: bytes, limit: int, chunk_bytes: int) -> None:
    with pytest.raises(SnapshotTooLarge) as refused:
        batches(data, max_bytes=limit, chunk_bytes=chunk_bytes)
    assert refused.value.limit == limit


def test_a_gzip_bomb_is_stopped_in_bounded_memory() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = compressor.compress(b"[") + b"".join(compressor.compress(b" " * 1_000_000) for _ in range(60))
    bomb += compressor.flush()
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotTooLarge):
            batches(bomb, max_bytes=50_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [GOOD, gzipped(GOOD)])
def test_progress_is_told_in_bytes_as_sent(data: bytes) -> None:
    told: list[int] = []
    batches(data, on_progress=told.append, chunk_bytes=10)
    assert sum(told) == len(data)
    assert len(told) > 1


def test_an_error_of_the_stream_itself_is_let_through() -> None:
    class Broken:
        def read(self, _: int, /) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(read_patients(Broken(), Reading(PLENTY)))


def test_nothing_is_read_before_the_first_batch_is_drawn() -> None:
    stream = io.BytesIO(GOOD)
    read_patients(stream, Reading(PLENTY))
    assert stream.tell() == 0


# The snapshot as a whole


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
def test_what_is_not_json_as_a_whole_is_refused_whole(data: bytes, form: Form | None, chunk_bytes: int) -> None:
    assert refusal(data, form=form, chunk_bytes=chunk_bytes).offset is not None


@pytest.mark.parametrize("form", [None, Form.ARRAY])
@pytest.mark.parametrize(
    "data", [b"null", b"42", b'"x"', b"true", b"{}", b'{"error":"502"}', b'{"patients":[]}', b'{"a":[' + ROW + b"]}"]
)
def test_another_top_than_an_array_is_never_an_empty_snapshot(data: bytes, form: Form | None) -> None:
    assert str(refusal(data, form=form))


def test_where_an_array_is_needed_an_object_is_told_so() -> None:
    assert "array" in str(refusal(ROW, form=Form.ARRAY))


def test_a_wrapper_written_over_several_lines_is_refused() -> None:
    assert refusal(json.dumps({"patients": [patient_row()]}, indent=2).encode()).row == 1


def test_a_single_row_is_ndjson_of_one_line() -> None:
    assert patients(ROW) == [patient()]
    assert patients(ROW + b"\n") == [patient()]


def test_a_single_bad_row_with_an_id_is_no_wrapper() -> None:
    assert rejected(b'{"externalId": "5", "firstName": "Rick"}') == [(1, "5", "lastName", "missing")]
    assert rejected(b'{"externalId": 5}') == [(1, None, "externalId", "wrong-type")]


@pytest.mark.parametrize("form", [None, Form.ARRAY])
@pytest.mark.parametrize("data", [b"[]", b" [ \n] \r\n", b"\xef\xbb\xbf[]", gzipped(b"[]")])
def test_an_empty_array_is_an_empty_snapshot(data: bytes, form: Form | None) -> None:
    assert batches(data, form=form) == []


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
    ("start", "filling", "row"),
    [
        (b'[{"externalId": "', b"a", 1),
        (b'{"externalId": "', b"a", 1),
        (b'[{"externalId": "', b"}", 1),
        (b'[1, {"note": [', b"{}, ", 2),
        (b'[{"externalId": "', b"\\\\", 1),
        (b"[", b"1", 1),
        (b'[1, {"note": "', "é".encode(), 2),
        (b'{"note": "', "é".encode(), 1),
    ],
)
def test_a_row_without_end_is_refused_in_bounded_memory(start: bytes, filling: bytes, row: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSnapshot, match="larger than") as refused:
            list(read_patients(Repeated(start, filling, 100_000_000), Reading(PLENTY)))
        assert tracemalloc.get_traced_memory()[1] < 32_000_000
    finally:
        tracemalloc.stop()
    assert refused.value.row == row


@pytest.mark.parametrize("frame", [(b"[", b"]"), (b"", b"\n")])
@pytest.mark.parametrize("character", ["a", "é"])
@pytest.mark.parametrize("chunk_bytes", [100_000, 256 * 1024, 4 * 1024 * 1024])
def test_a_row_may_have_just_so_many_bytes(frame: tuple[bytes, bytes], character: str, chunk_bytes: int) -> None:
    start, end = frame
    room = MAX_ROW_BYTES - len(json.dumps(patient_row(note="")))
    note = character * (room // len(character.encode())) + "-" * (room % len(character.encode()))
    fits = json.dumps(patient_row(note=note), ensure_ascii=False).encode()
    assert len(fits) == MAX_ROW_BYTES
    assert patients(start + fits + end, chunk_bytes=chunk_bytes) == [patient()]
    too_large = fits.replace(b'"note": "', b'"note": "-')
    assert "larger than" in str(refusal(start + too_large + end, chunk_bytes=chunk_bytes))


@pytest.mark.parametrize("start", [b"[", b"[1", b"[1,", b"[]", b"", b"{}\n"])
def test_white_space_without_end_takes_no_memory(start: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidSnapshot):
            list(read_patients(Repeated(start, b" \n", 10_000_000, b"x"), Reading(PLENTY)))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_many_tiny_rows_are_read_in_bounded_memory() -> None:
    tracemalloc.start()
    try:
        read = read_patients(Repeated(b"[", b"1,", 60_000, b"1]"), Reading(PLENTY, chunk_bytes=10_000))
        assert sum(len(batch.rejections) for batch in read) == 60_001
        assert tracemalloc.get_traced_memory()[1] < 4_000_000  # all of them together take more
    finally:
        tracemalloc.stop()


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


@pytest.mark.parametrize(
    ("data", "row", "offset"),
    [
        (b"[" + ROW + b", x]", 2, len(ROW) + 3),
        (b"\xef\xbb\xbf [" + ROW + b", x]", 2, len(ROW) + 7),
        (b"[" + ROW + b" x]", None, len(ROW) + 2),
        (b"[1, null, ]", 3, 10),
        (b'["\xc3\xa9", x]', 2, 7),
        (ROW + b"\n\n  x\n", 2, len(ROW) + 4),
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


# Rows


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


BAD_IDS: list[tuple[object, str]] = [
    (None, "missing"),
    (5, "wrong-type"),
    (5.0, "wrong-type"),
    (True, "wrong-type"),
    ({}, "wrong-type"),
    ([], "wrong-type"),
    ("", "blank"),
    ("  ", "blank"),
    ("\u2003", "blank"),
    (" 5", "untrimmed"),
    ("5\n", "untrimmed"),
    ("\u00a05", "untrimmed"),
    ("5" * 251, "too-long"),
    ("\ud800", "invalid-text"),
    ("5\x00", "invalid-text"),
    ("a\x1bb", "invalid-text"),
    ("a\x7fb", "invalid-text"),
    ("a\x9fb", "invalid-text"),
    ("\ufffe", "invalid-text"),
    ("\U0010ffff", "invalid-text"),
]


@pytest.mark.parametrize(("external_id", "code"), BAD_IDS)
def test_an_external_id_that_breaks_a_rule_is_rejected(external_id: object, code: str) -> None:
    assert rejected(array(patient_row(external_id), patient_row("7"))) == [(1, None, "externalId", code)]
    assert payment_rejected(array(payment_row(external_id))) == [(1, None, "externalId", code)]


@pytest.mark.parametrize(("patient_id", "code"), BAD_IDS)
def test_a_patient_id_that_breaks_a_rule_is_rejected(patient_id: object, code: str) -> None:
    assert payment_rejected(array(payment_row("501", patient_id))) == [(1, "501", "patientId", code)]


@pytest.mark.parametrize(
    "character", ["\x7f", "\x80", "\x9f", "\ufdd0", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff"]
)
def test_an_invalid_character_is_found_where_it_is_not_escaped_too(character: str) -> None:
    rows = json.dumps([patient_row("5"), patient_row("6", firstName=f"a{character}b")], ensure_ascii=False)
    assert rejected(rows.encode()) == [(2, "6", "firstName", "invalid-text")]
    rows = json.dumps([payment_row("5", f"a{character}b")], ensure_ascii=False)
    assert payment_rejected(rows.encode()) == [(1, "5", "patientId", "invalid-text")]


@pytest.mark.parametrize(
    "ids",
    [
        ("a1", "A1"),
        ("\u00e9", "e\u0301"),
        ("05", "5"),
        (
            "'; DROP TABLE patients;--",
            "%",
            "_",
            "\\",
            "a\\tb",
            "\\N",
            "<script>",
            "{{7*7}}",
            '=HYPERLINK("x")',
        ),
        ("\U0001f600", "a\u202eb", "e" + "\u0301" * 249, "\U0001f600" * 250),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_unusual_ids_are_kept_as_they_are(ids: tuple[str, ...], ascii_only: bool) -> None:
    data = json.dumps([patient_row(external_id, firstName=external_id) for external_id in ids], ensure_ascii=ascii_only)
    assert patients(data.encode()) == [patient(external_id, first_name=external_id) for external_id in ids]
    data = json.dumps([payment_row(external_id, external_id) for external_id in ids], ensure_ascii=ascii_only)
    read = list(read_payments(io.BytesIO(data.encode()), Reading(PLENTY)))
    assert [record for batch in read for record in batch.records] == [payment(each, each) for each in ids]
    assert not any(batch.rejections for batch in read)


def test_length_counts_code_points() -> None:
    assert rejected(array(patient_row("5", lastName="\u0301" * 251))) == [(1, "5", "lastName", "too-long")]


@pytest.mark.parametrize("field", ["firstName", "lastName"])
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "missing"),
        ("", "blank"),
        (" \u00a0", "blank"),
        ("x" * 251, "too-long"),
        (5, "wrong-type"),
        ({}, "wrong-type"),
    ],
)
def test_a_name_that_breaks_a_rule_is_rejected(field: str, value: object, code: str) -> None:
    assert rejected(array(patient_row(), patient_row("7", **{field: value}))) == [(2, "7", field, code)]


@pytest.mark.parametrize("field", ["firstName", "lastName"])
def test_a_name_must_not_be_absent(field: str) -> None:
    row = patient_row("7")
    del row[field]
    assert rejected(array(row)) == [(1, "7", field, "missing")]


@pytest.mark.parametrize("other", ["Rick", "B\\R", "Zo\u00eb"])
@pytest.mark.parametrize("blank", [None, "", "  ", "\u2003"])
def test_a_blank_middle_name_is_none(blank: str | None, other: str) -> None:
    rows = [patient_row("5", middleName=blank), patient_row("6", middleName=other), patient_row("7")]
    assert [p.middle_name for p in patients(array(*rows))] == [None, other, None]


@pytest.mark.parametrize(("value", "code"), [("x" * 251, "too-long"), (5, "wrong-type"), ("a\x00", "invalid-text")])
def test_a_middle_name_that_breaks_a_rule_is_rejected(value: object, code: str) -> None:
    assert rejected(array(patient_row("7", middleName=value))) == [(1, "7", "middleName", code)]


@pytest.mark.parametrize("text", ["2094-02-01", "0001-01-01", "9999-12-31", "2024-02-29", None])
@pytest.mark.parametrize("other", [{}, {"externalId": " "}])
def test_a_date_of_birth_is_read_beside_good_and_bad_rows(text: str | None, other: dict[str, Any]) -> None:
    (batch,) = batches(array(patient_row("5", dateOfBirth=text), patient_row("6") | other))
    assert batch.records[0].date_of_birth == (text and date.fromisoformat(text))


def test_a_date_of_birth_may_be_absent() -> None:
    row = patient_row()
    del row["dateOfBirth"]
    assert patients(array(row)) == [patient(date_of_birth=None)]


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01",
        "10000-01-01",
        "2023-02-29",
        "1900-02-29",
        "20240229",
        "2024-W09-4",
        "2024-2-9",
        "2024",
        "2024-02-29T00:00Z",
        "2024-02-29T00:00:00Z",
        " 2024-02-29",
        "2024-02-29\n",
        "\u0662\u0660\u0662\u0664-\u0660\u0662-\u0662\u0669",
        "today",
        "infinity",
        "",
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_impossible_or_otherwise_written_date_is_rejected(text: str, ascii_only: bool) -> None:
    data = json.dumps([patient_row("5", dateOfBirth=text)], ensure_ascii=ascii_only).encode()
    assert rejected(data) == [(1, "5", "dateOfBirth", "invalid-date")]


@pytest.mark.parametrize("value", [20240229, True, [], {}])
def test_a_date_of_another_type_is_rejected(value: object) -> None:
    assert rejected(array(patient_row("5", dateOfBirth=value))) == [(1, "5", "dateOfBirth", "wrong-type")]


@pytest.mark.parametrize(
    ("literal", "amount"),
    [
        ("4.46", "4.46"),
        ("7.10", "7.10"),
        ("7.1", "7.10"),
        ("7", "7.00"),
        ("7.100", "7.10"),
        ("1e2", "100.00"),
        ("100e-1", "10.00"),
        ("0", "0.00"),
        ("-0", "0.00"),
        ("-0.0", "0.00"),
        ("-0.00", "0.00"),
        ("-0e5", "0.00"),
        ("0e999999999", "0.00"),
        ("-5.00", "-5.00"),
        ('"4.46"', "4.46"),
        ('"-0"', "0.00"),
        ('"1E+1"', "10.00"),
        ("9999999999.99", "9999999999.99"),
        ("-9999999999.99", "-9999999999.99"),
        ("1." + "0" * 5000, "1.00"),
    ],
)
def test_an_amount_is_exact_and_has_two_decimals(literal: str, amount: str) -> None:
    assert [str(found) for found in amounts(literal)] == [amount]


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ("1.005", "too-many-decimals"),
        ("0.001", "too-many-decimals"),
        ("0.30000000000000004", "too-many-decimals"),
        ("1e-999999999", "too-many-decimals"),
        ("10000000000", "out-of-range"),
        ("-10000000000.00", "out-of-range"),
        ("1e400", "out-of-range"),
        ("1e999999999", "out-of-range"),
        ("1e9999999999999999999", "out-of-range"),
        ("9" * 5000, "out-of-range"),
        *[
            (f'"{text}"', "invalid-amount")
            for text in (
                [
                    "NaN",
                    "sNaN",
                    "Infinity",
                    "-inf",
                    "１２",
                    "1_000",
                    " 5 ",
                    "+5",
                    "5.",
                    ".5",
                    "1,000",
                    "$5",
                    "0x10",
                    "",
                    "05",
                ]
            )
        ],
        ('"5\\n"', "invalid-amount"),
        ("true", "wrong-type"),
        ("false", "wrong-type"),
        ("[]", "wrong-type"),
        ("{}", "wrong-type"),
        ("null", "missing"),
    ],
)
def test_an_amount_that_breaks_a_rule_is_rejected(literal: str, code: str) -> None:
    assert amount_codes(literal) == [code]


def test_an_amount_must_not_be_absent() -> None:
    assert payment_rejected(b'[{"externalId": "501", "patientId": "5"}]') == [(1, "501", "amount", "missing")]


@pytest.mark.parametrize("gap", ["", " ", "\n\t \r"])
def test_an_odd_amount_is_found_whatever_the_white_space(gap: str) -> None:
    data = f'[{{"externalId":"501","patientId":"5","amount"{gap}:{gap}"NaN"}}]'.encode()
    assert payment_rejected(data) == [(1, "501", "amount", "invalid-amount")]


def test_an_odd_amount_is_found_under_an_escaped_key() -> None:
    data = b'[{"externalId":"501","patientId":"5","amo\\u0075nt":"NaN"}]'
    assert payment_rejected(data) == [(1, "501", "amount", "invalid-amount")]


def test_a_good_row_with_the_id_of_a_bad_one_is_taken() -> None:
    (batch,) = batches(array(patient_row("5", lastName=""), patient_row("5")))
    assert (batch.records, [r.external_id for r in batch.rejections]) == ([patient("5")], ["5"])


def test_unknown_fields_are_ignored() -> None:
    extra = {"id": "x", "created": 5, "updated": None, "a": [{"externalId": {"b": "}"}}], "amount": "NaN"}
    assert patients(array(patient_row(**extra), patient_row())) == [patient(), patient()]


def test_a_number_of_any_length_is_ignored_in_an_unknown_field() -> None:
    row = ROW.replace(b"{", b'{"note": ' + b"1" * 5000 + b", ", 1)
    assert patients(b"[" + row + b', {"note": "\\\\", ' + row[1:] + b"]") == [patient(), patient()]


def test_of_a_repeated_name_the_last_value_counts() -> None:
    data = b'[{"externalId":"4","firstName":"Rick","lastName":"x","lastName":"Deckard","externalId":"5"%b}]'
    assert patients(data % b"") == patients(data % b',"note":"\\\\","middleName":5,"middleName":null')


def test_all_forms_of_the_same_rows_read_the_same() -> None:
    rows = [patient_row("5"), patient_row("6")]
    for data in (array(*rows), ndjson(*rows), ndjson(*rows)[:-1], json.dumps(rows, indent=3).encode()):
        assert [p.external_id for p in patients(data)] == [p.external_id for p in patients(gzipped(data))] == ["5", "6"]
