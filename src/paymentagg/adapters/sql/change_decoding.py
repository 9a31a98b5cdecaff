"""Decoding of changes that ``history`` reads as JSON arrays; the fields in them are JSON objects, as text."""

from datetime import date, datetime

import msgspec

from paymentagg.domain.history import ChangeKind, PatientChange, PaymentChange, RowChange
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.money import from_cents


class _ChangeRow(msgspec.Struct, array_like=True, gc=False):
    sync: int
    at: datetime
    model: Model
    kind: ChangeKind
    id: int
    external_id: str
    before: str | None
    after: str | None


class _PatientFields(msgspec.Struct, rename="camel", gc=False):
    first_name: str
    last_name: str
    middle_name: str | None
    date_of_birth: date | None


class _PaymentFields(msgspec.Struct, rename="camel", gc=False):
    patient_id: str
    cents: int


_change_rows = msgspec.json.Decoder(list[_ChangeRow])
_patient_fields = msgspec.json.Decoder(_PatientFields)
_payment_fields = msgspec.json.Decoder(_PaymentFields)


def row_changes_of(rows: str) -> list[RowChange]:
    """Return the changes of a JSON array of rows, each an array in the order of ``_ChangeRow``."""
    return [_change(row) for row in _change_rows.decode(rows)]


def _change(row: _ChangeRow) -> RowChange:
    own = (row.sync, row.at, row.kind, row.id, row.external_id)
    if row.model is Model.PATIENT:
        return PatientChange(*own, _patient(row.external_id, row.before), _patient(row.external_id, row.after))
    return PaymentChange(*own, _payment(row.external_id, row.before), _payment(row.external_id, row.after))


def _patient(external_id: str, text: str | None) -> Patient | None:
    if text is None:
        return None
    fields = _patient_fields.decode(text)
    return Patient(external_id, fields.first_name, fields.last_name, fields.middle_name, fields.date_of_birth)


def _payment(external_id: str, text: str | None) -> Payment | None:
    if text is None:
        return None
    fields = _payment_fields.decode(text)
    return Payment(external_id, fields.patient_id, from_cents(fields.cents))
