"""The synchronised data: patients and their payments, as values without surrogate keys or times.

Two values with the same external id are equal if and only if no field of the row has changed. ``texts`` and
``of_texts`` convert a value to and from the form in which a batch has many of them.
"""

import enum
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec

from paymentagg.domain.money import from_cents, to_cents
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

    def texts(self) -> tuple[str | None, ...]:
        """Return the fields in their order as text; the date as ``YYYY-MM-DD``."""
        born = None if self.date_of_birth is None else self.date_of_birth.isoformat()
        return self.external_id, self.first_name, self.last_name, self.middle_name, born

    @classmethod
    def of_texts(
        cls, external_id: str, first_name: str, last_name: str, middle_name: str | None, date_of_birth: str | None
    ) -> "Patient":
        """Return the patient with these ``texts``."""
        born = None if date_of_birth is None else date.fromisoformat(date_of_birth)
        return cls(external_id, first_name, last_name, middle_name, born)


def display_name(first_name: str, last_name: str, middle_name: str | None) -> str:
    """Return a patient's name as lists show it: ``Deckard, Rick A.``."""
    return f"{last_name}, {first_name}" + (f" {middle_name}" if middle_name else "")


class Payment(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A payment as the external system sends it; ``patient_id`` is the patient's external id."""

    external_id: Text
    patient_id: Text
    amount: Decimal

    def texts(self) -> tuple[str | None, ...]:
        """Return the fields in their order as text; the amount in whole cents: ``-50`` is -0.50."""
        return self.external_id, self.patient_id, str(to_cents(self.amount))

    @classmethod
    def of_texts(cls, external_id: str, patient_id: str, cents: str) -> "Payment":
        """Return the payment with these ``texts``; ``cents`` may have leading zeros."""
        return cls(external_id, patient_id, from_cents(int(cents)))


RecordT = TypeVar("RecordT", Patient, Payment)
