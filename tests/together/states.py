"""Numbered states of a practice: the snapshots that lead there, and what every whole read of one has to say.

Each value of a state tells its number. From one state to the next, rows come and go, payments move from patient to
patient, and every order changes.
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

LASTING_PATIENTS, LASTING_PAYMENTS = 60, 1_500
"""Rows that are in every state. So many payments are more than an export reads at once."""

PASSING = 10
"""Patients, with two payments each, that are in every other state."""


@dataclass(frozen=True)
class State:
    """The patients of one snapshot and the payments of another."""

    patients: int
    payments: int

    def patient_rows(self) -> list[Row]:
        number = self.patients
        ids = [f"{n:03}" for n in range(LASTING_PATIENTS)] + [self._passing(n) for n in range(PASSING)]
        return [
            patient_row(
                external_id,
                firstName=f"State {number}",
                lastName=f"{(place * 7 + number * 13) % 31:02}",
                middleName=None if (place + number) % 2 else f"{number}",
                dateOfBirth=f"{2000 + number % 90}-01-01",
            )
            for place, external_id in enumerate(ids)
        ]

    def payment_rows(self) -> list[Row]:
        number = self.payments
        amount = f"{number}.01"
        some = LASTING_PATIENTS - number % 7
        lasting = [payment_row(f"{n}", f"{n * (number % 5 + 1) % some:03}", amount) for n in range(LASTING_PAYMENTS)]
        passing = [payment_row(f"{n}-{number % 2}", self._passing(n // 2), amount) for n in range(2 * PASSING)]
        return lasting + passing

    def form(self) -> bytes:
        """Return the body of POST /snapshot that leads here."""
        return multipart(part("patients", self.patient_snapshot()), part("payments", self.payment_snapshot()))

    def patient_snapshot(self) -> bytes:
        return array(*self.patient_rows())

    def payment_snapshot(self) -> bytes:
        return array(*self.payment_rows())

    @property
    def total(self) -> Decimal:
        """What all payments add up to."""
        return (LASTING_PAYMENTS + 2 * PASSING) * Decimal(f"{self.payments}.01")

    def _passing(self, place: int) -> str:
        return f"{place:03}-{self.patients % 2}"


@lru_cache(256)
def patients_in(state: State, sort: str = "id", *, paid: bool = False) -> list[Row]:
    """Return the patients as the API shows them, but for what it makes up itself: ids and times.

    Args:
        sort: as the parameter has it. The rows that last have the lowest ids, whatever has happened before.
        paid: only those who have payments.
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
        rows.reverse()  # ties are broken by id, which falls as well
    if key is SortKey.PAYMENT_TOTAL:
        rows.sort(key=lambda row: Decimal(row[key]), reverse=sort.startswith("-"))
    elif key is not SortKey.ID:
        rows.sort(key=lambda row: row[key], reverse=sort.startswith("-"))
    return rows


@lru_cache(256)
def payments_in(state: State, patient_id: str | None = None) -> list[Row]:
    """Return the payments, of one patient where asked, as above."""
    return [row for row in state.payment_rows() if patient_id in (None, row["patientId"])]


def told(rows: Iterable[Row]) -> list[Row]:
    """Return rows of an answer without what the API makes up itself."""
    return [{name: value for name, value in row.items() if name not in ("id", "created", "updated")} for row in rows]
