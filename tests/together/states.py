"""Numbered states of a practice: the snapshots that produce them, and the rows that a consistent read returns.

Every value depends on the number of the state. From one state to the next, rows are created and deleted, payments move
to other patients, and every sort order changes.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from api import multipart, part
from builders import array, patient_row, payment_row
from paymentagg.domain.queries import SortKey

Row = dict[str, Any]

PERMANENT_PATIENTS, PERMANENT_PAYMENTS = 60, 1_500
"""How many rows are in every state. There are more payments than an export fetches at once."""

ALTERNATING_PATIENTS = 10
"""How many patients, with two payments each, are in every other state."""


@dataclass(frozen=True)
class State:
    """The patients of the snapshot with one number, and the payments of that with another."""

    patients: int
    payments: int

    def patient_rows(self) -> list[Row]:
        """Return the rows of the snapshot of patients."""
        number = self.patients
        ids = [f"{n:03}" for n in range(PERMANENT_PATIENTS)]
        ids += [self._alternating_id(n) for n in range(ALTERNATING_PATIENTS)]
        return [
            patient_row(
                external_id,
                firstName=f"State {number}",
                lastName=f"{(index * 7 + number * 13) % 31:02}",
                middleName=None if (index + number) % 2 else f"{number}",
                dateOfBirth=f"{2000 + number % 90}-01-01",
            )
            for index, external_id in enumerate(ids)
        ]

    def payment_rows(self) -> list[Row]:
        """Return the rows of the snapshot of payments."""
        number = self.payments
        amount = f"{number}.01"
        paying = PERMANENT_PATIENTS - number % 7
        permanent = [
            payment_row(f"{n}", f"{n * (number % 5 + 1) % paying:03}", amount) for n in range(PERMANENT_PAYMENTS)
        ]
        alternating = [
            payment_row(f"{n}-{number % 2}", self._alternating_id(n // 2), amount)
            for n in range(2 * ALTERNATING_PATIENTS)
        ]
        return permanent + alternating

    def form(self) -> bytes:
        """Return both snapshots as the body of ``POST /snapshot``."""
        return multipart(part("patients", self.patient_snapshot()), part("payments", self.payment_snapshot()))

    def patient_snapshot(self) -> bytes:
        """Return the snapshot of patients in JSON."""
        return array(*self.patient_rows())

    def payment_snapshot(self) -> bytes:
        """Return the snapshot of payments in JSON."""
        return array(*self.payment_rows())

    @property
    def total(self) -> Decimal:
        """The sum of all payments."""
        return (PERMANENT_PAYMENTS + 2 * ALTERNATING_PATIENTS) * Decimal(f"{self.payments}.01")

    def _alternating_id(self, index: int) -> str:
        return f"{index:03}-{self.patients % 2}"


@lru_cache(256)
def patients_in(state: State, sort: str = "id", *, paid: bool = False) -> list[Row]:
    """Return the patients as the API returns them, without the ids and times that it generates.

    Args:
        sort: as in the parameter. Permanent rows always have the lowest ids, because they are never deleted.
        paid: only patients with payments.
    """
    counts = Counter(row["patientId"] for row in state.payment_rows())
    amount = Decimal(f"{state.payments}.01")
    rows = [
        row | {"paymentTotal": f"{counts[row['externalId']] * amount:.2f}", "paymentCount": counts[row["externalId"]]}
        for row in state.patient_rows()
        if counts[row["externalId"]] or not paid
    ]
    key = SortKey(sort.removeprefix("-"))
    if sort.startswith("-"):
        rows.reverse()  # ties are sorted by id, descending too
    if key is SortKey.PAYMENT_TOTAL:
        rows.sort(key=lambda row: Decimal(row[key]), reverse=sort.startswith("-"))
    elif key is not SortKey.ID:
        rows.sort(key=lambda row: row[key], reverse=sort.startswith("-"))
    return rows


@lru_cache(256)
def payments_in(state: State, patient_id: str | None = None) -> list[Row]:
    """Return the payments, of one patient if given, without generated ids and times."""
    return [row for row in state.payment_rows() if patient_id in (None, row["patientId"])]


def without_generated(rows: Iterable[Row]) -> list[Row]:
    """Return rows of an answer without the ids and times that the API generates."""
    return [{name: value for name, value in row.items() if name not in ("id", "created", "updated")} for row in rows]
