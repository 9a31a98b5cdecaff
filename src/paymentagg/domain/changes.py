"""The decision about each row: compare an incoming row with its stored twin, and return the change or rejection."""

from collections.abc import Iterable, Iterator
from typing import Generic

import msgspec

from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.rejection_messages import message_of
from paymentagg.domain.text import shown

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Rejection(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A rejected row. ``row`` counts the rows of an array or the lines of NDJSON, empty ones included, from 1.

    ``external_id`` is None if it can't be read. ``field`` is None if the row isn't an object. ``value`` is the field as
    it was sent: a string as it is, anything else as its JSON text, None if it is absent or null; the whole row as JSON
    text if it isn't an object. It is escaped and clipped to 100 characters, see ``text.shown``. It is data of patients:
    never log it.
    """

    model: Model
    row: int
    external_id: str | None
    field: str | None
    code: str
    message: str
    value: str | None = None

    @classmethod
    def of(
        cls, model: Model, row: int, external_id: str | None, field: str | None, code: str, value: str | None = None
    ) -> "Rejection":
        """Return a rejection with the message for the code and the value.

        Raises:
            KeyError: there is no message for the code.
        """
        return Rejection(model, row, external_id, field, code, message_of(code, value), value)

    def with_row(self, sent: str | bytes) -> "RejectedRow":
        """Return this rejection with the whole row, which is JSON."""
        return RejectedRow(*msgspec.structs.astuple(self), sent=msgspec.Raw(sent))

    def without_row(self) -> "Rejection":
        """Return this rejection without the row, which may be large."""
        return self


class RejectedRow(Rejection, frozen=True, gc=False, rename="camel", kw_only=True):
    """A rejection with the whole row as it was sent, in one line of JSON.

    Of a row that could be read and is rejected when it is compared (an unknown patient, a copy, a contradiction),
    ``sent`` has the fields of the model only.
    """

    sent: msgspec.Raw

    def without_row(self) -> Rejection:
        """Return this rejection without the row."""
        return Rejection(*msgspec.structs.astuple(self)[:-1])


class Pair(msgspec.Struct, Generic[RecordT], frozen=True):
    """One row of the snapshot with its stored twin: the stored row that has the same external id.

    ``row`` is None if the snapshot has no row with this id. ``record`` is None if it has one that the reader rejected.
    ``conflicting``: the valid rows with this id (read, and of a known patient) aren't all equal.
    """

    external_id: str
    row: int | None = None
    record: RecordT | None = None
    stored: RecordT | None = None
    patient_known: bool = True
    conflicting: bool = False


class Created(msgspec.Struct, frozen=True):
    """A row whose external id isn't stored yet."""

    model: Model
    external_id: str
    after: Patient | Payment


class Updated(msgspec.Struct, frozen=True):
    """A row that differs from its stored twin in some field."""

    model: Model
    external_id: str
    before: Patient | Payment
    after: Patient | Payment


class Unchanged(msgspec.Struct, frozen=True):
    """A row that equals its stored twin."""

    model: Model
    external_id: str


class Deleted(msgspec.Struct, frozen=True):
    """A stored row whose external id isn't in the snapshot, or a payment deleted with its patient."""

    model: Model
    external_id: str
    before: Patient | Payment


Change = Created | Updated | Unchanged | Deleted | Rejection


class Effect(msgspec.Struct, frozen=True):
    """How many rows are created, updated and deleted; ``dependents`` are payments deleted along with their patients."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    dependents: int = 0


def check_effect(model: Model, decided: Effect, done: Effect) -> None:
    """Raise RuntimeError if the storage has done other than was decided: a bug."""
    if done != decided:
        raise RuntimeError(f"{model}: decided {decided}, but done {done}")


def diff(model: Model, pairs: Iterable[Pair[RecordT]], *, keep_rows: bool = False) -> Iterator[Change]:
    """Yield the change or rejection for each pair, lazily and in constant memory.

    Args:
        pairs: ordered by external id, then row.
        keep_rows: yield each rejection as a ``RejectedRow``.
    """
    accepted: str | None = None
    for pair in pairs:
        external_id, row = pair.external_id, pair.row
        if row is None:
            if pair.stored is not None:
                yield Deleted(model, external_id, pair.stored)
        elif pair.record is None:
            continue  # the reader has reported it; its presence protects the stored row from deletion
        elif not pair.patient_known:
            yield _rejected(pair.record, row, "patientId", "unknown-patient", keep_row=keep_rows)
        elif pair.conflicting:
            yield _rejected(pair.record, row, "externalId", "conflicting-external-id", keep_row=keep_rows)
        elif external_id == accepted:
            yield _rejected(pair.record, row, "externalId", "duplicate-external-id", keep_row=keep_rows)
        else:
            accepted = external_id
            if pair.stored is None:
                yield Created(model, external_id, pair.record)
            elif pair.stored == pair.record:
                yield Unchanged(model, external_id)
            else:
                yield Updated(model, external_id, pair.stored, pair.record)


def _rejected(record: Patient | Payment, row: int, field: str, code: str, *, keep_row: bool) -> Rejection:
    """Return the rejection of a row that could be read; the field is an id."""
    value = record.patient_id if isinstance(record, Payment) and field == "patientId" else record.external_id
    model = Model.PATIENT if isinstance(record, Patient) else Model.PAYMENT
    rejection = Rejection.of(model, row, record.external_id, field, code, shown(value))
    return rejection.with_row(_encode(record)) if keep_row else rejection
