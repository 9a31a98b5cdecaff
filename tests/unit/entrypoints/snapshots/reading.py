"""Snapshots for tests of the reader, and its results as plain values."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from builders import array, patient, patient_row
from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidSnapshot
from paymentagg.domain.model import Patient
from paymentagg.entrypoints.snapshots.byte_stream import Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments

PLENTY = 1 << 40


class Repeated:
    """A stream of ``start``, ``filling`` repeated ``times`` times, and ``end``, produced piece by piece."""

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
    """Return the batches of a snapshot of patients; ``options`` are fields of ``Reading``."""
    return list(read_patients(io.BytesIO(data), Reading(**({"max_bytes": PLENTY} | options))))


def patients(data: bytes, **options: Any) -> list[Patient]:
    """Return the patients of a snapshot, none of whose rows may be rejected."""
    read = batches(data, **options)
    assert [rejection for batch in read for rejection in batch.rejections] == []
    return [record for batch in read for record in batch.records]


def rejected(data: bytes) -> list[tuple[int, str | None, str | None, str]]:
    """Return row, external id, field and code of each rejected patient."""
    return [(r.row, r.external_id, r.field, r.code) for batch in batches(data) for r in batch.rejections]


def payment_rejected(data: bytes) -> list[tuple[int, str | None, str | None, str]]:
    """Return row, external id, field and code of each rejected payment."""
    read = read_payments(io.BytesIO(data), Reading(PLENTY))
    return [(r.row, r.external_id, r.field, r.code) for batch in read for r in batch.rejections]


def refusal(data: bytes, **options: Any) -> InvalidSnapshot:
    """Return the error that refuses a snapshot of patients; ``options`` are fields of ``Reading``."""
    with pytest.raises(InvalidSnapshot) as refused:
        batches(data, **options)
    return refused.value


ROW = json.dumps(patient_row()).encode()
GOOD = array(patient_row("5"), patient_row("6"))
BOTH = [patient("5"), patient("6")]
