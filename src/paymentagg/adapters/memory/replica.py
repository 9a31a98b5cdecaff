"""The stored rows during a sync, in memory. All decisions are left to the domain."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from typing_extensions import override

from paymentagg.adapters.memory.state import State, Table
from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Change, Created, Deleted, Effect, Pair, Rejection, Updated
from paymentagg.domain.departures import Departures
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.ports import Replica


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
        return Effect()

    @override
    def disputed(self) -> Iterator[Pair[RecordT]]:
        first: dict[str, RecordT] = {}
        conflicting: set[str] = set()
        for external_id, _, record in self._staged:
            if record is not None and self._patient_known(record) and first.setdefault(external_id, record) != record:
                conflicting.add(external_id)
        rows = [(external_id, None, None) for external_id in self.gone()] + self._staged
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
            yield from (Deleted(self._model, each, self._table.rows[each].record) for each in self.gone())
        for record in self.updated():
            before = self._table.rows[record.external_id].record
            yield Updated(self._model, record.external_id, before, record)
        yield from (Created(self._model, record.external_id, record) for record in self._created())

    @override
    def apply(self, at: datetime, *, delete: bool, history: int | None) -> Effect:
        gone = self.gone() if delete else []
        updated, created = self.updated(), self._created()
        if history is not None:
            self._state.keep(history, self._model, [(self._table.rows[external_id], None) for external_id in gone])
            self._state.keep(
                history, self._model, [(self._table.rows[record.external_id], record) for record in updated]
            )
        for external_id in gone:
            del self._table.rows[external_id]
        for record in updated:
            self._table.update(record, at)
        for record in created:
            self._table.insert(record, at)
        return Effect(len(created), len(updated), len(gone))

    @override
    def stored(self) -> int:
        return len(self._table.rows)

    def _patient_known(self, record: Patient | Payment) -> bool:
        if isinstance(record, Patient):
            return True
        return record.patient_id in self._state.patients.rows and record.patient_id not in self._state.leaving

    def gone(self) -> list[str]:
        """Return the external ids that are stored and not in the snapshot."""
        return [external_id for external_id in self._table.rows if external_id not in self._present]

    def _accepted(self) -> list[RecordT]:
        return [record for _, row, record in self._staged if record is not None and row not in self._rejected]

    def updated(self) -> list[RecordT]:
        """Return the accepted rows that differ from their stored twins."""
        stored = self._table.rows
        return [r for r in self._accepted() if r.external_id in stored and stored[r.external_id].record != r]

    def _created(self) -> list[RecordT]:
        return [record for record in self._accepted() if record.external_id not in self._table.rows]


class MemoryDepartures(Departures):
    """The patients whom a sync deletes, and their payments, in a state."""

    def __init__(self, state: State, patients: MemoryReplica[Patient], payments: MemoryReplica[Payment]) -> None:
        self._state = state
        self._patients = patients
        self._payments = payments

    @override
    def begin(self) -> None:
        self._state.leaving.update(self._patients.gone())

    @override
    def lost(self, *, delete: bool) -> int:
        moved = {record.external_id for record in self._payments.updated()}
        gone = set(self._payments.gone()) if delete else set()
        return len(set(self._left()) - moved - gone)

    @override
    def changes(self) -> Iterator[Change]:
        payments, patients = self._state.payments.rows, self._state.patients.rows
        yield from (Deleted(Model.PAYMENT, each, payments[each].record) for each in self._left())
        yield from (Deleted(Model.PATIENT, each, patients[each].record) for each in self._state.leaving)

    @override
    def remove(self, history: int | None) -> Effect:
        left = self._left()
        if history is not None:
            payments, patients = self._state.payments.rows, self._state.patients.rows
            self._state.keep(history, Model.PAYMENT, [(payments[external_id], None) for external_id in left])
            leaving = self._state.leaving
            self._state.keep(history, Model.PATIENT, [(patients[external_id], None) for external_id in leaving])
        for external_id in left:
            del self._state.payments.rows[external_id]
        for external_id in self._state.leaving:
            del self._state.patients.rows[external_id]
        return Effect(deleted=len(self._state.leaving), dependents=len(left))

    def _left(self) -> list[str]:
        """Return the external ids of the stored payments of these patients."""
        payments = self._state.payments.rows
        return [external_id for external_id, row in payments.items() if row.record.patient_id in self._state.leaving]
