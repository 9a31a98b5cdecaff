"""Decoding of rows that ``statements`` returns as JSON arrays into the domain's views.

Their times are in UTC and say so: ``statements`` adds the zone on SQLite; PostgreSQL's connections are set to UTC.
"""

from datetime import date, datetime

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model
from paymentagg.domain.money import from_cents
from paymentagg.domain.queries import PatientView, PaymentView


class _PatientRow(msgspec.Struct, array_like=True, gc=False):
    id: int
    external_id: str
    first_name: str
    last_name: str
    middle_name: str | None
    date_of_birth: date | None
    created: datetime
    updated: datetime
    total_cents: int
    payment_count: int


class _PaymentRow(msgspec.Struct, array_like=True, gc=False):
    id: int
    external_id: str
    patient_external_id: str
    amount_cents: int
    created: datetime
    updated: datetime


class _RejectedRow(msgspec.Struct, array_like=True, gc=False):
    model: Model
    row: int
    external_id: str | None
    field: str | None
    code: str
    value: str | None


_patient_rows = msgspec.json.Decoder(list[_PatientRow])
_payment_rows = msgspec.json.Decoder(list[_PaymentRow])
_rejected_rows = msgspec.json.Decoder(list[_RejectedRow])


def patient_views(rows: str) -> list[PatientView]:
    """Return the patients of a JSON array of rows, each an array in the order of ``_PatientRow``."""
    return [
        PatientView(
            row.id,
            row.external_id,
            row.first_name,
            row.last_name,
            row.middle_name,
            row.date_of_birth,
            row.created,
            row.updated,
            from_cents(row.total_cents),
            row.payment_count,
        )
        for row in _patient_rows.decode(rows)
    ]


def payment_views(rows: str) -> list[PaymentView]:
    """Return the payments of a JSON array of rows, each an array in the order of ``_PaymentRow``."""
    return [
        PaymentView(
            row.id,
            row.external_id,
            row.patient_external_id,
            from_cents(row.amount_cents),
            row.created,
            row.updated,
        )
        for row in _payment_rows.decode(rows)
    ]


def rejections(rows: str) -> list[Rejection]:
    """Return the rejected rows of a JSON array of rows, each an array in the order of ``_RejectedRow``.

    Their messages aren't stored: they are told by code and value.
    """
    return [
        Rejection.of(row.model, row.row, row.external_id, row.field, row.code, row.value)
        for row in _rejected_rows.decode(rows)
    ]
