"""The storage in memory, in dicts. A sync copies the state, changes the copy, and replaces the state by it at the end.

It is the reference: the contract tests check the databases and it against the same rules, and unit tests use it.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Generic

import msgspec
from typing_extensions import override

from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.changes import Change, Created, Deleted, Pair, Rejection, Updated
from paymentagg.domain.errors import SyncInProgress
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.money import CENT, quantized
from paymentagg.domain.ports import Batch, Effect, KeyedSync, PastSync, Replica, Storage
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report


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


class State(msgspec.Struct):
    """All stored data. It isn't changed after a sync has stored it, so a reader that holds it sees one state."""

    patients: Table[Patient]
    payments: Table[Payment]
    syncs: tuple[Report, ...] = ()
    digests: dict[int, Mapping[Model, str | None]] = {}
    """By the number of the sync."""
    taken: dict[Model, datetime] = {}
    """When the last snapshot of a model that says so was taken."""
    keyed: dict[str, KeyedSync] = {}
    """By the idempotency key."""
    done_by: dict[int, str | None] = {}
    """The public id of the API key, by the number of the sync."""

    def copy(self) -> "State":
        """Return a state whose tables can be changed without changing this one's."""
        return msgspec.structs.replace(self, patients=self.patients.copy(), payments=self.payments.copy())

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
        found = (view for view in views if view.payment_total in query.total)
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
        ]


class MemoryStorage:
    """The state, and the API keys. ``patience`` is how many seconds a sync waits for another sync to end."""

    def __init__(self, patience: float = 5) -> None:
        self.state = State(Table(), Table())
        self.patience = patience
        self.syncing = threading.Lock()
        self.keys: dict[str, ApiKey] = {}

    @contextmanager
    def transaction(self) -> Iterator["MemoryTransaction"]:
        """Yield the storage of one sync; keep what it has written unless the block raises or discards."""
        transaction = MemoryTransaction(self)
        try:
            yield transaction
            if transaction.locked and not transaction.discarded:
                self.state = transaction.state
        finally:
            if transaction.locked:
                self.syncing.release()


class MemoryTransaction(Storage):
    """The storage of one sync, with a copy of the state that ``lock`` makes."""

    __slots__ = ("patients", "payments")  # attributes in place of the port's read-only properties: lock sets them
    patients: Replica[Patient]
    payments: Replica[Payment]

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self.locked = False
        self.discarded = False

    @override
    def lock(self) -> None:
        self.locked = self._storage.syncing.acquire(timeout=self._storage.patience)
        if not self.locked:
            raise SyncInProgress
        self.state = self._storage.state.copy()
        self.patients = MemoryReplica(Model.PATIENT, self.state, self.state.patients)
        self.payments = MemoryReplica(Model.PAYMENT, self.state, self.state.payments)

    @override
    def last(self, model: Model) -> PastSync | None:
        for number, digests in reversed(self.state.digests.items()):
            digest = digests.get(model)
            if digest is not None:
                part = self.state.syncs[number - 1].models[model]
                return PastSync(digest, part, changed_since=int(self.state.version) > number)
        return None

    @override
    def last_taken(self, model: Model) -> datetime | None:
        return self.state.taken.get(model)

    @override
    def keyed(self, key: str) -> KeyedSync | None:
        return self.state.keyed.get(key)

    @override
    def record(
        self,
        report: Report,
        digests: Mapping[Model, str | None],
        *,
        taken_at: datetime | None,
        key: str | None,
        by: str | None,
    ) -> int:
        if taken_at is not None:
            self.state.taken = self.state.taken | dict.fromkeys(digests, taken_at)
        number = len(self.state.syncs) + 1
        self.state.digests = self.state.digests | {number: digests}
        self.state.done_by = self.state.done_by | {number: by}
        report = msgspec.structs.replace(report, id=number)
        self.state.syncs += (report,)
        if key is not None:
            known = {model: digest for model, digest in digests.items() if digest is not None}
            self.state.keyed = self.state.keyed | {key: KeyedSync(known, report)}
        return number

    @override
    def discard(self) -> None:
        self.discarded = True


class MemoryReplica(Replica[RecordT]):
    """A replica that leaves all decisions to the domain: every pair is disputed."""

    def __init__(self, model: Model, state: State, table: Table[RecordT]) -> None:
        self._model = model
        self._state = state
        self._table: Table[RecordT] = table
        self._staged: list[tuple[str, int, RecordT | None]] = []
        self._present: set[str] = set()
        self._rejected: set[int] = set()

    @override
    def stage(self, batches: Iterable[Batch[RecordT]]) -> None:
        for batch in batches:
            self._staged += [(r.external_id, n, r) for n, r in zip(batch.numbers, batch.records, strict=True)]
            self._staged += [(r.external_id, r.row, None) for r in batch.rejections if r.external_id is not None]
        self._present = {external_id for external_id, _, _ in self._staged}

    @override
    def pair(self) -> Effect:
        return Effect(dependents=len(self._dependents()))

    @override
    def disputed(self) -> Iterator[Pair[RecordT]]:
        first: dict[str, RecordT] = {}
        conflicting: set[str] = set()
        for external_id, _, record in self._staged:
            if record is not None and self._patient_known(record) and first.setdefault(external_id, record) != record:
                conflicting.add(external_id)
        rows = [(external_id, None, None) for external_id in self._gone()] + self._staged
        for external_id, row, record in sorted(rows, key=lambda staged: (staged[0], staged[1] or 0)):
            stored = self._table.rows.get(external_id)
            yield Pair(
                external_id,
                row,
                record,
                stored=stored.record if stored else None,
                patient_known=record is None or self._patient_known(record),
                conflicting=external_id in conflicting,
            )

    @override
    def settle(self, decisions: Iterable[Change]) -> None:
        self._rejected = {change.row for change in decisions if isinstance(change, Rejection)}

    @override
    def changes(self, *, delete: bool) -> Iterator[Change]:
        if delete:
            yield from (Deleted(Model.PAYMENT, external_id) for external_id in self._dependents())
            yield from (Deleted(self._model, external_id) for external_id in self._gone())
        yield from (Updated(self._model, record.external_id) for record in self._updated())
        yield from (Created(self._model, record.external_id) for record in self._created())

    @override
    def apply(self, at: datetime, *, delete: bool) -> Effect:
        dependents, gone = (self._dependents(), self._gone()) if delete else ([], [])
        updated, created = self._updated(), self._created()
        for external_id in dependents:
            del self._state.payments.rows[external_id]
        for external_id in gone:
            del self._table.rows[external_id]
        for record in updated:
            self._table.update(record, at)
        for record in created:
            self._table.insert(record, at)
        return Effect(len(created), len(updated), len(gone), len(dependents))

    @override
    def stored(self) -> int:
        return len(self._table.rows)

    def _patient_known(self, record: Patient | Payment) -> bool:
        return isinstance(record, Patient) or record.patient_id in self._state.patients.rows

    def _dependents(self) -> list[str]:
        """Return the external ids of the payments that are deleted with their patients."""
        gone = set(self._gone() if self._model is Model.PATIENT else [])
        return [row.record.external_id for row in self._state.payments.rows.values() if row.record.patient_id in gone]

    def _gone(self) -> list[str]:
        """Return the external ids that are stored and not in the snapshot."""
        return [external_id for external_id in self._table.rows if external_id not in self._present]

    def _accepted(self) -> list[RecordT]:
        return [record for _, row, record in self._staged if record is not None and row not in self._rejected]

    def _updated(self) -> list[RecordT]:
        stored = self._table.rows
        return [r for r in self._accepted() if r.external_id in stored and stored[r.external_id].record != r]

    def _created(self) -> list[RecordT]:
        return [record for record in self._accepted() if record.external_id not in self._table.rows]
