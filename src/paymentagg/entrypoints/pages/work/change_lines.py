"""Changes as lines of JSON, with the rows before and after."""

import msgspec

from paymentagg.domain.changes import Created, Deleted, Updated
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.model import Model, Patient, Payment

RowChanged = Created | Updated | Deleted
"""A change of a stored row."""

KINDS: dict[type, ChangeKind] = {
    Created: ChangeKind.CREATED,
    Updated: ChangeKind.UPDATED,
    Deleted: ChangeKind.DELETED,
}
"""The kind of each change of a stored row, by its class."""


class _PatientLine(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=Model.PATIENT.value):
    """``row`` is the row after the change, or the deleted one; ``before`` is None unless the row is updated."""

    row: Patient
    before: Patient | None
    is_deleted: bool


class _PaymentLine(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=Model.PAYMENT.value):
    """The fields are those of ``_PatientLine``."""

    row: Payment
    before: Payment | None
    is_deleted: bool


_LINES: dict[Model, type] = {Model.PATIENT: _PatientLine, Model.PAYMENT: _PaymentLine}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_PatientLine | _PaymentLine).decode


def encode(change: RowChanged) -> bytes:
    """Return the line of a change, without its end."""
    row = change.before if isinstance(change, Deleted) else change.after
    before = change.before if isinstance(change, Updated) else None
    return _encode(_LINES[change.model](row, before, isinstance(change, Deleted)))


def decode(line: bytes) -> RowChanged:
    """Return the change in a line."""
    found = _decode(line)
    model = Model.PATIENT if isinstance(found, _PatientLine) else Model.PAYMENT
    if found.before is not None:
        return Updated(model, found.row.external_id, found.before, found.row)
    return (Deleted if found.is_deleted else Created)(model, found.row.external_id, found.row)
