"""What can be asked of the stored data, and what comes back."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from paymentagg.domain.money import AmountRange

T = TypeVar("T")


class PatientView(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A stored patient. ``payment_total`` has two decimals, times are in UTC."""

    id: int
    external_id: str
    first_name: str
    last_name: str
    middle_name: str | None
    date_of_birth: date | None
    created: datetime
    updated: datetime
    payment_total: Decimal
    payment_count: int


class PaymentView(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A stored payment. ``patient_id`` is the patient's external id, ``amount`` has two decimals."""

    id: int
    external_id: str
    patient_id: str
    amount: Decimal
    created: datetime
    updated: datetime


class SortKey(enum.StrEnum):
    """What patients can be ordered by; ties are broken by id."""

    ID = "id"
    EXTERNAL_ID = "externalId"
    LAST_NAME = "lastName"
    PAYMENT_TOTAL = "paymentTotal"

    def of(self, patient: PatientView) -> "Position":
        """Return where the patient stands in this order."""
        match self:
            case SortKey.ID:
                return (patient.id,)
            case SortKey.EXTERNAL_ID:
                return (patient.external_id,)
            case SortKey.LAST_NAME:
                return (patient.last_name, patient.id)
            case SortKey.PAYMENT_TOTAL:
                return (patient.payment_total, patient.id)


Position = tuple[int] | tuple[str] | tuple[str, int] | tuple[Decimal, int]
"""The values of the sort key of the last row of a page. Texts are ordered by code point."""


class PatientQuery(msgspec.Struct, frozen=True):
    """Patients whose payment total lies in ``total``, from behind ``after`` on in the order of ``sort``."""

    total: AmountRange = AmountRange()
    sort: SortKey = SortKey.ID
    descending: bool = False
    after: Position | None = None
    limit: int = 100


class PaymentQuery(msgspec.Struct, frozen=True):
    """Payments, of one patient where ``patient_id`` (an external id) is given, in the order of id."""

    patient_id: str | None = None
    after: int | None = None
    limit: int = 100


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Rows in order, whether more follow, and the version of the data they were read from."""

    items: list[T]
    more: bool
    version: str
