"""Memory limits of the reader, and the maximum size of a row."""

import json
import tracemalloc

import pytest

from builders import patient, patient_row
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.entrypoints.snapshots.byte_stream import Reading
from paymentagg.entrypoints.snapshots.reader import read_patients
from paymentagg.entrypoints.snapshots.row_reader import MAX_ROW_BYTES
from unit.entrypoints.snapshots.reading import PLENTY, Repeated, patients, refusal


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
def test_a_row_of_the_maximum_size_is_read_and_a_larger_one_refused(
    frame: tuple[bytes, bytes], character: str, chunk_bytes: int
) -> None:
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
        assert tracemalloc.get_traced_memory()[1] < 4_000_000  # all rejections together take more
    finally:
        tracemalloc.stop()
