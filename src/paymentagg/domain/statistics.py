"""Figures of the stored data and of past syncs: values, exact means, and the bounds of a histogram.

Amounts are computed in whole cents. Means are rounded to cents, half to even.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec

from paymentagg.domain.money import AmountRange, from_cents

MAX_BINS = 100
DEFAULT_BINS = 20
MAX_DAYS = 366
DEFAULT_DAYS = 30


class Figures(msgspec.Struct, frozen=True, rename="camel"):
    """Figures of all patients and payments. A figure is None if there is nothing that it could be computed from.

    The median of an even number of totals is the mean of the middle two. ``last_good_sync``: when the last sync had
    finished that was done, whether or not it changed a row.
    """

    patients: int
    payments: int
    sum: Decimal
    mean_payment: Decimal | None
    mean_patient_total: Decimal | None
    median_patient_total: Decimal | None
    patients_without_payments: int
    largest_patient_total: Decimal | None
    smallest_patient_total: Decimal | None
    last_good_sync: datetime | None


class Totals(msgspec.Struct, frozen=True):
    """All patients' totals, in cents. ``middle``: the sum of the middle one, or of the middle two of an even number."""

    patients: int
    payments: int
    cents: int
    without_payments: int
    largest: int | None
    smallest: int | None
    middle: int

    def figures(self, last_good_sync: datetime | None) -> Figures:
        """Return the figures in amounts."""
        return Figures(
            patients=self.patients,
            payments=self.payments,
            sum=from_cents(self.cents),
            mean_payment=mean(self.cents, self.payments),
            mean_patient_total=mean(self.cents, self.patients),
            median_patient_total=mean(self.middle, self.patients and 2 - self.patients % 2),
            patients_without_payments=self.without_payments,
            largest_patient_total=_amount(self.largest),
            smallest_patient_total=_amount(self.smallest),
            last_good_sync=last_good_sync,
        )


def mean(cents: int, count: int) -> Decimal | None:
    """Return the mean of amounts with this sum, rounded to cents, half to even; None if there are none."""
    if not count:
        return None
    quotient, rest = divmod(cents, count)
    return from_cents(quotient + (2 * rest > count or (2 * rest == count and quotient % 2)))


def _amount(cents: int | None) -> Decimal | None:
    return None if cents is None else from_cents(cents)


class Bin(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """The patients whose totals are at least ``start`` and below ``end``; in the last bin they may equal ``end``."""

    start: Decimal
    end: Decimal
    count: int
    sum: Decimal


class HistogramQuery(msgspec.Struct, frozen=True):
    """At most so many bins of the patients whose total is in ``total``."""

    bins: int = DEFAULT_BINS
    total: AmountRange = AmountRange()


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of bins of one width, in cents: ``start``, ``start + step``, …, ``end``."""

    start: int
    end: int
    step: int

    @classmethod
    def around(cls, smallest: int, largest: int, bins: int) -> "Bounds":
        """Return the narrowest nice bins, at most ``bins``, that contain the smallest and the largest total.

        Steps are 1, 2, 2.5 or 5 times a power of ten, in whole cents, and all bounds are multiples of the step. Only a
        single bin around both negative and positive totals is from minus such a step to plus it.
        """
        if bins == 1 and smallest < 0 < largest:
            half = cls.around(0, max(-smallest, largest), 1).step
            return cls(-half, half, 2 * half)
        power = 1
        while True:
            for step in (power, 2 * power, 5 * power // 2, 5 * power):  # there is no half cent: 2.5 cents are 2 again
                start = smallest // step * step
                end = max(-(-largest // step) * step, start + step)
                if end - start <= bins * step:
                    return cls(start, end, step)
            power *= 10

    def bins(self, contents: Mapping[int, tuple[int, int]]) -> list[Bin]:
        """Return all bins, given by the start of each the number of its totals and their sum; in cents."""
        return [
            Bin(from_cents(start), from_cents(start + self.step), count, from_cents(cents))
            for start in range(self.start, self.end, self.step)
            for count, cents in [contents.get(start, (0, 0))]
        ]


class Counts(msgspec.Struct, frozen=True):
    """How many rows of one model syncs have created, updated, deleted and rejected."""

    created: int
    updated: int
    deleted: int
    rejected: int


class TotalAfter(msgspec.Struct, frozen=True):
    """How many patients and payments are stored after a sync, and the sum of the payments."""

    patients: int
    payments: int
    sum: Decimal


class SyncFigures(msgspec.Struct, frozen=True, rename="camel"):
    """What one sync did. ``total_after`` is None if it isn't known; ``undoes``: the sync that it has taken back."""

    id: int
    finished_at: datetime
    patients: Counts
    payments: Counts
    total_after: TotalAfter | None
    undoes: int | None


class SyncDay(msgspec.Struct, frozen=True, rename="camel"):
    """All syncs that finished on one day, in UTC; ``total_after`` the last of them, None if it isn't known."""

    day: date
    syncs: int
    patients: Counts
    payments: Counts
    total_after: TotalAfter | None
