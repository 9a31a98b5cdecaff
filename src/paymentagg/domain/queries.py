"""The queries on the stored data, and their results."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from paymentagg.domain.money import AmountRange

T = TypeVar("T")

MAX_NAMES = 100
"""How many patients' names can be read at once."""


class PatientView(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A stored patient. ``payment_total`` has two decimals; times are in UTC."""

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
    """A stored payment. ``patient_id`` is the patient's external id; ``amount`` has two decimals; times are in UTC."""

    id: int
    external_id: str
    patient_id: str
    amount: Decimal
    created: datetime
    updated: datetime


class SortKey(enum.StrEnum):
    """The sort keys of patients; ties are broken by id."""

    ID = "id"
    EXTERNAL_ID = "externalId"
    LAST_NAME = "lastName"
    PAYMENT_TOTAL = "paymentTotal"

    def of(self, patient: PatientView) -> "Position":
        """Return the patient's position in this order."""
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
"""A row's sort key and, unless the key is unique, its id: where the next page starts. Texts sort by code point."""


class PatientQuery(msgspec.Struct, frozen=True):
    """Patients whose payment total is in ``total``, ordered by ``sort``, starting after the position ``after``.

    ``words``: only those in whose search name all of them are, see ``domain.search``. ``updated_since``: only those
    updated at this time, aware, or later. ``count``: also count those on all pages, and, unless ``sum`` is false, add
    up their totals.
    """

    total: AmountRange = AmountRange()
    sort: SortKey = SortKey.ID
    descending: bool = False
    after: Position | None = None
    limit: int = 100
    words: tuple[str, ...] = ()
    updated_since: datetime | None = None
    count: bool = False
    sum: bool = True


class PaymentQuery(msgspec.Struct, frozen=True):
    """Payments ordered by id, starting after the id ``after``. ``patient_id``: only those of this external id.

    ``updated_since`` is that of ``PatientQuery``. ``count``: also count those on all pages.
    """

    patient_id: str | None = None
    after: int | None = None
    limit: int = 100
    updated_since: datetime | None = None
    count: bool = False


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Rows in order. ``more``: further rows follow. ``version``: the version of the data that they were read from.

    ``total``: how many rows there are on all pages, and ``sum``: the sum of their payment totals if they are patients,
    with two decimals; each only if the query asks for it.
    """

    items: list[T]
    more: bool
    version: str
    total: int | None = None
    sum: Decimal | None = None
