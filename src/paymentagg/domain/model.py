"""What is kept in sync: patients and their payments, as values without surrogate keys or times.

Two values of the same external id are equal exactly when nothing about the row has changed.
"""

import enum
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from paymentagg.domain.text import MAX_TEXT

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TEXT)]


class Model(enum.StrEnum):
    """The two models, in the order in which they are synchronised: payments need their patients."""

    PATIENT = "patient"
    PAYMENT = "payment"

    @property
    def plural(self) -> str:
        return f"{self}s"


class Patient(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A patient as the external system knows them."""

    external_id: Text
    first_name: Text
    last_name: Text
    middle_name: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] | None = None
    date_of_birth: date | None = None


class Payment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A payment as the external system knows it; ``patient_id`` is the patient's external id."""

    external_id: Text
    patient_id: Text
    amount: Decimal


RecordT = TypeVar("RecordT", Patient, Payment)
