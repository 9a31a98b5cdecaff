"""Changes as rows of a page: what was done with which row, and its fields before and after."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from paymentagg.domain.changes import Change, Created, Deleted, Updated
from paymentagg.domain.history import ChangeKind, PatientChange, RowChange
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.entrypoints.pages.wording import amount

FIELDS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "middle_name": "middleName",
    "date_of_birth": "dateOfBirth",
    "patient_id": "patientId",
    "amount": "amount",
}
"""The fields of both models, but for the external id, by the names that the snapshots give them."""

_INVERSE = {
    ChangeKind.CREATED: ChangeKind.DELETED,
    ChangeKind.UPDATED: ChangeKind.UPDATED,
    ChangeKind.DELETED: ChangeKind.CREATED,
}


def inverse_of(kind: ChangeKind) -> ChangeKind:
    """Return what an undo does with a row that was changed so."""
    return _INVERSE[kind]


class Difference(msgspec.Struct, frozen=True):
    """A row before and after a change, whether that was made by a past sync or is only previewed.

    ``before`` is None if the row is created, ``after`` if it is deleted, or if what it was isn't known any more.
    """

    kind: ChangeKind
    model: Model
    external_id: str
    before: Patient | Payment | None
    after: Patient | Payment | None

    @classmethod
    def of_past(cls, change: RowChange) -> "Difference":
        """Return what a past sync has changed."""
        model = Model.PATIENT if isinstance(change, PatientChange) else Model.PAYMENT
        return cls(change.kind, model, change.external_id, change.before, change.after)

    @classmethod
    def of_preview(cls, change: Change) -> "Difference":
        """Return what a sync would change."""
        match change:
            case Created():
                return cls(ChangeKind.CREATED, change.model, change.external_id, None, change.after)
            case Updated():
                return cls(ChangeKind.UPDATED, change.model, change.external_id, change.before, change.after)
            case Deleted():
                return cls(ChangeKind.DELETED, change.model, change.external_id, change.before, None)
        raise TypeError(type(change))

    @property
    def inverse(self) -> "Difference":
        """What an undo would do."""
        return Difference(inverse_of(self.kind), self.model, self.external_id, self.after, self.before)

    @property
    def patient_id(self) -> str | None:
        """The external id of the patient concerned; None if it isn't known any more."""
        if self.model is Model.PATIENT:
            return self.external_id
        known = self.after or self.before
        return known.patient_id if isinstance(known, Payment) else None


class Field(msgspec.Struct, frozen=True):
    """A field with its values as texts; None if there is none on that side."""

    name: str
    before: str | None
    after: str | None


class ChangeRow(msgspec.Struct, frozen=True):
    """A change as a page shows it; ``patient`` is the name of the patient concerned, if it is known."""

    kind: ChangeKind
    model: Model
    external_id: str
    patient_id: str | None
    patient: str | None
    fields: list[Field]


def row_of(difference: Difference, names: Mapping[str, str]) -> ChangeRow:
    """Return the row of a change; ``names`` of patients are by external id. Of an update, only fields that differ."""
    fields = []
    for name, shown in FIELDS.items():
        old, new = _text(difference.before, name), _text(difference.after, name)
        if old != new:
            fields.append(Field(shown, old, new))
    patient_id = difference.patient_id
    patient = None if patient_id is None else names.get(patient_id)
    return ChangeRow(difference.kind, difference.model, difference.external_id, patient_id, patient, fields)


def patients_of(differences: Iterable[Difference]) -> list[str]:
    """Return the external ids of the patients concerned, each once."""
    return list(dict.fromkeys(each.patient_id for each in differences if each.patient_id is not None))


def _text(row: Patient | Payment | None, name: str) -> str | None:
    value = getattr(row, name, None)
    if value is None:
        return None
    return amount(value) if isinstance(value, Decimal) else str(value)
