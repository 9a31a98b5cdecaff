"""The states that tests sync into the store: their snapshots, and the content that must be stored afterwards."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api import multipart, part
from builders import array, patient_row, payment_row
from fingerprint import Content

ALLOW_ALL_DELETIONS = "?max_delete=100%25"
"""The query of a sync that may delete any number of rows."""


@dataclass(frozen=True)
class State:
    """Patients and payments, all of them valid. The snapshot of payments has the first one twice."""

    patients: list[dict[str, Any]]
    payments: list[dict[str, Any]]

    @property
    def body(self) -> bytes:
        """Both snapshots as the body of ``POST /snapshot``."""
        return multipart(*(part(name, snapshot) for name, snapshot in self.snapshots.items()))

    @property
    def snapshots(self) -> dict[str, bytes]:
        """The snapshots in JSON, by the plural name of the model."""
        return {"patients": array(*self.patients), "payments": array(*self.payments, *self.payments[:1])}

    @property
    def content(self) -> Content:
        """The content that must be stored after a sync of this state."""
        totals = {row["externalId"]: (0, 0) for row in self.patients}
        payments = {}
        for row in self.payments:
            cents = int(Decimal(row["amount"]) * 100)
            payments[row["externalId"]] = (row["patientId"], cents)
            total, count = totals[row["patientId"]]
            totals[row["patientId"]] = (total + cents, count + 1)
        fields = ("firstName", "lastName", "middleName", "dateOfBirth")
        patients = {row["externalId"]: tuple(str(row.get(field)) for field in fields) for row in self.patients}
        return Content(patients, payments, totals)


def states(patients: int, payments: int) -> tuple[State, State, State]:
    """Return three states: empty, one of this size, and one with rows of each kind created, updated and deleted."""
    shift = patients // 10
    first = State(
        [patient_row(f"{n}") for n in range(patients)],
        [payment_row(f"{n}", f"{n % patients}", f"{n % 997}.{n % 100:02}") for n in range(payments)],
    )
    second = State(
        [patient_row(f"{n}", middleName=None if n % 7 else "N6") for n in range(shift, patients + shift)],
        [
            payment_row(f"{n}", f"{shift + n % patients}", f"{n % 997}.{n % 90:02}")
            for n in range(2 * shift, payments + shift)
        ],
    )
    return State([], []), first, second
