"""The bytes of a snapshot: empty bodies, gzip, the size limit, progress, errors of the stream."""

import io
import tracemalloc
import zlib

import pytest

from builders import gzipped
from paymentagg.domain.errors import SnapshotTooLarge
from paymentagg.entrypoints.snapshots.byte_stream import Form, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients
from unit.entrypoints.snapshots.reading import BOTH, GOOD, PLENTY, batches, patients, refusal


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
@pytest.mark.parametrize("chunk_bytes", [1, 7, 256 * 1024])
def test_gzip_of_one_or_more_members_is_read(data: bytes, said: bool | None, chunk_bytes: int) -> None:
    assert patients(data, gzipped=said, chunk_bytes=chunk_bytes) == BOTH


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
        gzipped(GOOD) + b"\x00",
        gzipped(GOOD) + b"\x00" * 512,
        gzipped(GOOD) + b"\x00" + gzipped(b""),
        gzipped(GOOD) + b"\n",
        gzipped(GOOD) + b"\x1f",
        gzipped(GOOD) + gzipped(b"")[:9],
        gzipped(GOOD)[:10] + b"\xff" * 20,
        gzipped(GOOD)[:2] + b"\x07" + gzipped(GOOD)[3:],
    ],
)
def test_damaged_gzip_is_refused(data: bytes, chunk_bytes: int) -> None:
    assert "gzip" in str(refusal(data, chunk_bytes=chunk_bytes))


def test_content_that_is_declared_as_gzip_but_is_not_is_refused() -> None:
    assert "gzip" in str(refusal(GOOD, gzipped=True))


def test_gzip_that_is_declared_as_something_else_is_not_expanded() -> None:
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
def test_progress_is_reported_in_bytes_as_sent(data: bytes) -> None:
    reported: list[int] = []
    batches(data, on_progress=reported.append, chunk_bytes=10)
    assert sum(reported) == len(data)
    assert len(reported) > 1


def test_an_error_of_the_stream_itself_is_not_caught() -> None:
    class Broken:
        def read(self, _: int, /) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        list(read_patients(Broken(), Reading(PLENTY)))


def test_nothing_is_read_before_the_first_batch_is_requested() -> None:
    stream = io.BytesIO(GOOD)
    read_patients(stream, Reading(PLENTY))
    assert stream.tell() == 0
