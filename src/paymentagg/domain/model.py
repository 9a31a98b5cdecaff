"""The synchronised data: patients and their payments, as values without surrogate keys or times.

Two values with the same external id are equal if and only if no field of the row has changed.
"""

import enum
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from paymentagg.domain.text import MAX_TEXT

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]
"""A required text; the rules that a type can't express are in ``row_rules``."""


class Model(enum.StrEnum):
    """The two models, in the order of synchronisation: payments refer to patients."""

    PATIENT = "patient"
    PAYMENT = "payment"

    @property
    def plural(self) -> str:
        """The name of the model's rows in reports and messages: ``patients`` or ``payments``."""
        return f"{self}s"


class Patient(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A patient as the external system sends it."""

    external_id: Text
    first_name: Text
    last_name: Text
    middle_name: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] | None = None
    date_of_birth: date | None = None


class Payment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A payment as the external system sends it; ``patient_id`` is the patient's external id."""

    external_id: Text
    patient_id: Text
    amount: Decimal


RecordT = TypeVar("RecordT", Patient, Payment)
