"""The whole row with each rejection, for those who ask for it."""

import io
import json
from typing import Any

import msgspec
import pytest

from paymentagg.domain.changes import RejectedRow, Rejection
from paymentagg.entrypoints.snapshots.byte_stream import Reading
from paymentagg.entrypoints.snapshots.reader import read_payments
from unit.entrypoints.snapshots.reading import PLENTY

GOOD = b'{"externalId":"1","patientId":"5","amount":1}'
BAD = [
    b'{"externalId": "2",  "amount": 1.50e0, "patientId": 5, "unknown": {"a": [1, null]}}',
    b'{"externalId": "3", "patientId": "5", "amount": "12,50", "amount": "12,50"}',
    b'{"externalId": "\\u0000", "note": "\\n\\u2028\\ud83d\\ude00\\\\ud800"}',
    '{"externalId": "Zoë", "patientId": "5 "}'.encode(),
    b'{"externalId": "4", "note": "%b"}' % (b"x" * 300_000),
    b"{}",
    b"null",
    b'"text"',
    b"1e5",
]


@pytest.mark.parametrize("chunk_bytes", [1, 100, 4096, 256 * 1024])
@pytest.mark.parametrize("in_lines", [False, True])
def test_a_rejected_row_is_kept_as_it_was_sent_wherever_the_chunks_end(chunk_bytes: int, in_lines: bool) -> None:
    rows = [GOOD, *BAD, GOOD]
    data = b"\n".join(rows) if in_lines else b" [" + b" ,\n ".join(rows) + b"\n]"
    if chunk_bytes < 100:
        data = data.replace(b"x" * 300_000, b"x" * 3_000)
    kept = rejected(data, chunk_bytes=chunk_bytes, keep_rows=True)
    assert [bytes(row.sent) for row in kept if isinstance(row, RejectedRow)] == [
        row.replace(b"x" * 300_000, b"x" * 3_000) if chunk_bytes < 100 else row for row in BAD
    ]
    assert [row.without_row() for row in kept] == rejected(data, chunk_bytes=chunk_bytes)


def test_a_row_that_was_sent_in_several_lines_is_kept_in_one() -> None:
    row = {"externalId": "4", "note": "a\nb\rc", "amount": [1, 2]}
    for text in (json.dumps(row, indent=2), json.dumps(row, indent="\t").replace("\n", "\r\n")):
        (kept,) = rejected(f"[{text}]".encode(), keep_rows=True)
        assert isinstance(kept, RejectedRow)
        assert not {b"\r", b"\n"} & {bytes([byte]) for byte in bytes(kept.sent)}
        assert json.loads(bytes(kept.sent)) == row


def test_half_of_a_surrogate_pair_is_escaped_since_strict_parsers_refuse_it() -> None:
    (kept,) = rejected(rb'[{"a": "\ud800", "b": "\uDFFF\ud83d\ude00\ud83d\u0041\\\ud83d"}]', keep_rows=True)
    assert isinstance(kept, RejectedRow)
    assert bytes(kept.sent) == rb'{"a": "\\ud800", "b": "\\uDFFF\ud83d\ude00\\ud83d\u0041\\\\ud83d"}'
    assert msgspec.json.decode(kept.sent) == {"a": r"\ud800", "b": "\\uDFFF\U0001f600\\ud83dA\\\\ud83d"}


def test_rows_are_not_kept_unless_asked_for() -> None:
    assert {type(row) for row in rejected(b"[1, {}]")} == {Rejection}


def rejected(data: bytes, **options: Any) -> list[Rejection]:
    """Return the rejections of a snapshot of payments; ``options`` are fields of ``Reading``."""
    batches = read_payments(io.BytesIO(data), Reading(PLENTY, **options))
    return [rejection for batch in batches for rejection in batch.rejections]
