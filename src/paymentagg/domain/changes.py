"""The decision about each row: compare an incoming row with its stored twin, and return the change or rejection."""

from collections.abc import Iterable, Iterator
from typing import Generic

import msgspec

from paymentagg.domain.model import Model, Patient, Payment, RecordT

MESSAGES = {
    "not-an-object": "a row must be a JSON object",
    "missing": "this field is required",
    "wrong-type": "this field must be a string; an amount may also be a number",
    "blank": "this field must not be blank",
    "too-long": "this field is longer than 250 characters",
    "untrimmed": "an id must not begin or end with white space",
    "invalid-text": "text must not contain control characters or invalid Unicode",
    "invalid-date": "a date must exist in the calendar and have the form YYYY-MM-DD",
    "invalid-amount": "an amount must be a JSON number, or a string that contains one",
    "too-many-decimals": "an amount can have at most two decimals",
    "out-of-range": "an amount can have at most ten digits before the decimal point",
    "unknown-patient": "no such patient is stored: sync the patients first, or correct this id",
    "duplicate-external-id": "an earlier row with this id is equal: send it once",
    "conflicting-external-id": "rows with this id differ, so none of them was taken: send only the right one",
}
"""The message for each code of a rejected row. No message contains a value, so no log can leak one."""


class Rejection(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A rejected row. ``row`` counts the rows of an array or the lines of NDJSON, empty ones included, from 1.

    ``external_id`` is None if it can't be read.
    """

    model: Model
    row: int
    external_id: str | None
    field: str | None
    code: str
    message: str

    @classmethod
    def of(cls, model: Model, row: int, external_id: str | None, field: str | None, code: str) -> "Rejection":
        """Return a rejection with the code's message.

        Raises:
            KeyError: the code isn't in MESSAGES.
        """
        return cls(model, row, external_id, field, code, MESSAGES[code])


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


def diff(model: Model, pairs: Iterable[Pair[RecordT]]) -> Iterator[Change]:
    """Yield the change or rejection for each pair, lazily and in constant memory.

    Args:
        pairs: ordered by external id, then row.
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
            yield Rejection.of(model, row, external_id, "patientId", "unknown-patient")
        elif pair.conflicting:
            yield Rejection.of(model, row, external_id, "externalId", "conflicting-external-id")
        elif external_id == accepted:
            yield Rejection.of(model, row, external_id, "externalId", "duplicate-external-id")
        else:
            accepted = external_id
            if pair.stored is None:
                yield Created(model, external_id, pair.record)
            elif pair.stored == pair.record:
                yield Unchanged(model, external_id)
            else:
                yield Updated(model, external_id, pair.stored, pair.record)
