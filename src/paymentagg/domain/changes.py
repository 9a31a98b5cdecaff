"""The heart of a sync: what becomes of each row, decided by looking at it beside its stored twin."""

from collections.abc import Iterable, Iterator
from typing import Generic

import msgspec

from paymentagg.domain.model import Model, RecordT

MESSAGES = {
    "not-an-object": "a row must be a JSON object",
    "missing": "this field is required",
    "wrong-type": "this field has the wrong JSON type",
    "blank": "this field must not be blank",
    "too-long": "this field is longer than 250 characters",
    "untrimmed": "an id must not begin or end with white space",
    "invalid-text": "text must not hold control characters or invalid Unicode",
    "invalid-date": "a date must exist and be written YYYY-MM-DD",
    "invalid-amount": "an amount must be a JSON number, or a string that holds one",
    "too-many-decimals": "an amount has two decimals at most",
    "out-of-range": "an amount has ten digits before the point at most",
    "unknown-patient": "no such patient is stored: sync the patients first, or correct this id",
    "duplicate-external-id": "an equal row with this id came before",
    "conflicting-external-id": "rows with this id contradict one another: send one of them",
}
"""Why a row is rejected: the words for each code. They name no value, so no log can leak one."""


class Rejection(msgspec.Struct, frozen=True, rename="camel"):
    """A row that was not taken. ``row`` counts from 1; ``external_id`` is None where it can't be read."""

    model: Model
    row: int
    external_id: str | None
    field: str | None
    code: str
    message: str

    @classmethod
    def of(cls, model: Model, row: int, external_id: str | None, field: str | None, code: str) -> "Rejection":
        return cls(model, row, external_id, field, code, MESSAGES[code])


class Pair(msgspec.Struct, Generic[RecordT], frozen=True):
    """One row of the snapshot beside what is stored under its external id.

    ``row`` None: nothing came under this id. ``record`` None though a row came: the reader rejected it.
    ``conflicting``: the rows with this id that could be taken (read, and of a known patient) are not all equal.
    """

    external_id: str
    row: int | None = None
    record: RecordT | None = None
    stored: RecordT | None = None
    patient_known: bool = True
    conflicting: bool = False


class Created(msgspec.Struct, frozen=True):
    model: Model
    external_id: str


class Updated(msgspec.Struct, frozen=True):
    model: Model
    external_id: str


class Unchanged(msgspec.Struct, frozen=True):
    model: Model
    external_id: str


class Deleted(msgspec.Struct, frozen=True):
    model: Model
    external_id: str


Change = Created | Updated | Unchanged | Deleted | Rejection


def diff(model: Model, pairs: Iterable[Pair[RecordT]]) -> Iterator[Change]:
    """Yield what becomes of each pair, lazily and in constant memory.

    Args:
        pairs: in the order of external id, then row.
    """
    taken: str | None = None
    for pair in pairs:
        external_id, row = pair.external_id, pair.row
        if row is None:
            yield Deleted(model, external_id)
        elif pair.record is None:
            continue  # rejected and reported by the reader; that it came keeps what is stored
        elif not pair.patient_known:
            yield Rejection.of(model, row, external_id, "patientId", "unknown-patient")
        elif pair.conflicting:
            yield Rejection.of(model, row, external_id, "externalId", "conflicting-external-id")
        elif external_id == taken:
            yield Rejection.of(model, row, external_id, "externalId", "duplicate-external-id")
        else:
            taken = external_id
            if pair.stored is None:
                yield Created(model, external_id)
            elif pair.stored == pair.record:
                yield Unchanged(model, external_id)
            else:
                yield Updated(model, external_id)
