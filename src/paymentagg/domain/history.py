"""What past syncs have changed: the changes as values, and the queries for them."""

import enum
from datetime import datetime

import msgspec

from paymentagg.domain.model import Model, Patient, Payment


class ChangeKind(enum.StrEnum):
    """What a sync has done with a row."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class PatientChange(msgspec.Struct, frozen=True, rename="camel", tag_field="model", tag="patient"):
    """A change of a patient. ``at`` is when the sync started; ``id`` is the row's id.

    ``before`` is None if the row was created, ``after`` if it was deleted.
    """

    sync: int
    at: datetime
    kind: ChangeKind
    id: int
    external_id: str
    before: Patient | None
    after: Patient | None

    @property
    def position(self) -> "Place":
        """The change's place among those of its sync."""
        return Model.PATIENT, self.id


class PaymentChange(msgspec.Struct, frozen=True, rename="camel", tag_field="model", tag="payment"):
    """A change of a payment; the fields are those of PatientChange. Amounts have two decimals."""

    sync: int
    at: datetime
    kind: ChangeKind
    id: int
    external_id: str
    before: Payment | None
    after: Payment | None

    @property
    def position(self) -> "Place":
        """The change's place among those of its sync."""
        return Model.PAYMENT, self.id


RowChange = PatientChange | PaymentChange
Place = tuple[Model, int]
"""The model and the id of a row. Patients come before payments."""


class SyncChangesQuery(msgspec.Struct, frozen=True):
    """The changes of one sync by model and row id, starting after the place ``after``; None selects both or all."""

    sync: int
    model: Model | None = None
    kind: ChangeKind | None = None
    after: Place | None = None
    limit: int = 100


class RejectionsQuery(msgspec.Struct, frozen=True):
    """The rows that one sync has rejected, by model and row number, starting after ``after``; None: both models."""

    sync: int
    model: Model | None = None
    after: tuple[Model, int] | None = None
    limit: int = 100


class HistoryQuery(msgspec.Struct, frozen=True):
    """The updates and deletions of one row, newest first; of a patient those of their payments too.

    These are the payments that were or became theirs. Those of one sync are ordered by model and row id. ``after``: the
    sync and the place of the last change of the page before.
    """

    model: Model
    external_id: str
    after: tuple[int, Model, int] | None = None
    limit: int = 100
