"""Builders of rows, records and snapshots, with defaults for whatever a test doesn't specify."""

import gzip
import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT


def patient(
    external_id: str = "5",
    *,
    first_name: str = "Rick",
    last_name: str = "Deckard",
    middle_name: str | None = None,
    date_of_birth: date | None = date(2094, 2, 1),
) -> Patient:
    """Return a patient."""
    return Patient(external_id, first_name, last_name, middle_name, date_of_birth)


def payment(external_id: str = "501", patient_id: str = "5", amount: str = "4.46") -> Payment:
    """Return a payment; ``amount`` is a decimal number."""
    return Payment(external_id, patient_id, Decimal(amount))


def batch(records: Iterable[RecordT] = (), rejections: Sequence[Rejection] = ()) -> Batch[RecordT]:
    """Return a batch; the records are numbered from 1, without the row numbers of the rejections."""
    records = list(records)
    taken = {rejection.row for rejection in rejections}
    free = (row for row in range(1, len(records) + len(taken) + 1) if row not in taken)
    record: Any = type(records[0]) if records else Patient
    numbers = [row for row, _ in zip(free, records, strict=False)]
    return Batch.of(record, numbers, records, list(rejections))


def rejection(
    row: int,
    external_id: str | None,
    code: str = "blank",
    field: str | None = "firstName",
    model: Model = Model.PATIENT,
    value: str | None = None,
) -> Rejection:
    """Return the rejection of a row."""
    return Rejection.of(model, row, external_id, field, code, value)


def patient_row(external_id: Any = "5", **fields: Any) -> dict[str, Any]:
    """Return a patient as the external system sends it; ``fields`` are named as in JSON."""
    row = {"externalId": external_id, "firstName": "Rick", "lastName": "Deckard", "dateOfBirth": "2094-02-01"}
    return row | fields


def payment_row(external_id: Any = "501", patient_id: Any = "5", amount: Any = "4.46", **fields: Any) -> dict[str, Any]:
    """Return a payment as the external system sends it; ``fields`` are named as in JSON."""
    return {"externalId": external_id, "patientId": patient_id, "amount": amount} | fields


def array(*rows: object) -> bytes:
    """Return the rows as a snapshot in one JSON array."""
    return json.dumps(rows).encode()


def ndjson(*rows: object) -> bytes:
    """Return the rows as a snapshot of one JSON object a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def gzipped(snapshot: bytes) -> bytes:
    """Return the snapshot compressed by gzip, always to the same bytes."""
    return gzip.compress(snapshot, mtime=0)
