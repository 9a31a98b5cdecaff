"""The stored data, in dicts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Generic

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.money import CENT, from_cents, quantized, to_cents
from paymentagg.domain.ports import KeyedSync
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.search import search_name
from paymentagg.domain.statistics import TotalAfter


class Stored(msgspec.Struct, Generic[RecordT], frozen=True):
    """A record with its surrogate id and its times."""

    id: int
    record: RecordT
    created: datetime
    updated: datetime


class Table(msgspec.Struct, Generic[RecordT]):
    """Stored rows by external id, in the order of their ids."""

    rows: dict[str, Stored[RecordT]] = {}
    last_id: int = 0

    def copy(self) -> "Table[RecordT]":
        """Return a table with its own dict of the same rows."""
        return Table(dict(self.rows), self.last_id)

    def insert(self, record: RecordT, at: datetime) -> None:
        """Store a new record under the next id."""
        self.last_id += 1
        self.rows[record.external_id] = Stored(self.last_id, record, at, at)

    def update(self, record: RecordT, at: datetime) -> None:
        """Replace the record with the same external id; id and creation time stay."""
        old = self.rows[record.external_id]
        self.rows[record.external_id] = Stored(old.id, record, old.created, at)


class KeptChange(msgspec.Struct, frozen=True):
    """A row that a sync has updated or deleted, as it was before. ``after``: the new record; None if it was deleted."""

    sync: int
    model: Model
    before: Stored[Patient] | Stored[Payment]
    after: Patient | Payment | None


class State(msgspec.Struct):
    """All stored data. It isn't changed after a sync has stored it, so a reader that holds it sees one state."""

    patients: Table[Patient]
    payments: Table[Payment]
    syncs: tuple[Report, ...] = ()
    digests: dict[int, Mapping[Model, str | None]] = {}
    """By the number of the sync."""
    taken: dict[int, Mapping[Model, datetime]] = {}
    """When the snapshots that say so were taken, by the number of the sync."""
    held: dict[int, Mapping[Model, str]] = {}
    """The digests of the snapshots that an undo holds, by the number of the undo."""
    keyed: dict[str, KeyedSync] = {}
    """By the idempotency key."""
    done_by: dict[int, str | None] = {}
    """The public id of the API key, by the number of the sync."""
    history: tuple[KeptChange, ...] = ()
    """What the syncs that keep a history have updated and deleted, oldest first. Rows that they created aren't here."""
    last_ids: dict[int, Mapping[Model, int]] = {}
    """The largest id of each model that was stored when a sync began, by the number of the sync."""
    rejections: dict[int, tuple[Rejection, ...]] = {}
    """The rejected rows that are kept, by the number of the sync."""
    after: dict[int, TotalAfter] = {}
    """What was stored after the sync, by its number."""
    leaving: set[str] = set()
    """The patients whom the running sync deletes when the payments are applied."""

    def copy(self) -> "State":
        """Return a state whose tables can be changed without changing this one's."""
        return msgspec.structs.replace(
            self, patients=self.patients.copy(), payments=self.payments.copy(), leaving=set()
        )

    @property
    def effective(self) -> list[Report]:
        """The syncs that still count: no undos, and no syncs that one has taken back."""
        return [
            report for report in self.syncs if report.undoes is msgspec.UNSET and self.undone_by(report.id or 0) is None
        ]

    def undone_by(self, number: int) -> int | None:
        """Return the first undo that has taken back a sync; None if there is none."""
        undos = ((report.id or 0, report.undoes) for report in self.syncs)
        found = (undo for undo, undone in undos if undone is not msgspec.UNSET and undone <= number < undo)
        return next(found, None)

    def keep(
        self,
        sync_id: int,
        model: Model,
        rows: Iterable[tuple[Stored[Patient] | Stored[Payment], Patient | Payment | None]],
    ) -> None:
        """Add rows to the history, each with the record that replaces it; None if the row is deleted."""
        self.history += tuple(KeptChange(sync_id, model, before, after) for before, after in rows)

    @property
    def total(self) -> TotalAfter:
        """How many rows are stored, and the sum of the payments."""
        cents = sum(to_cents(row.record.amount) for row in self.payments.rows.values())
        return TotalAfter(len(self.patients.rows), len(self.payments.rows), from_cents(cents))

    @property
    def version(self) -> str:
        """The number of the last sync that changed a row."""
        return str(max((report.id or 0 for report in self.syncs if report.changed), default=0))

    def patient_views(self, query: PatientQuery) -> list[PatientView]:
        """Return all patients that match a query, in its order, without paging."""
        amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
        for payment in self.payments.rows.values():
            amounts[payment.record.patient_id].append(payment.record.amount)
        views = (
            PatientView(
                id=row.id,
                **msgspec.structs.asdict(row.record),
                created=row.created,
                updated=row.updated,
                payment_total=sum(amounts[external_id], Decimal("0.00")),
                payment_count=len(amounts[external_id]),
            )
            for external_id, row in self.patients.rows.items()
        )
        found = (
            view
            for view in views
            if view.payment_total in query.total
            and (query.updated_since is None or view.updated >= query.updated_since)
            and all(word in _search_name(view) for word in query.words)
        )
        return sorted(found, key=query.sort.of, reverse=query.descending)

    def syncs_of(self, key_id: str | None) -> list[Report]:
        """Return the reports of an API key's syncs, or of all syncs if ``key_id`` is None, oldest first."""
        return [report for report in self.syncs if key_id in (None, self.done_by[report.id or 0])]

    def payment_views(self, query: PaymentQuery) -> list[PaymentView]:
        """Return all payments that match a query, by id, without paging."""
        return [
            PaymentView(
                row.id, key, row.record.patient_id, quantized(row.record.amount, CENT), row.created, row.updated
            )
            for key, row in self.payments.rows.items()
            if query.patient_id in (None, row.record.patient_id)
            and (query.updated_since is None or row.updated >= query.updated_since)
        ]


def _search_name(patient: PatientView) -> str:
    return search_name(patient.external_id, patient.first_name, patient.last_name, patient.middle_name)
