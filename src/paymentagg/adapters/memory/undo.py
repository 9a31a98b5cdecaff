"""Takes back syncs in memory."""

from collections.abc import Mapping

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.state import KeptChange, State, Stored, Table
from paymentagg.domain.changes import Effect
from paymentagg.domain.model import Model, Payment, RecordT
from paymentagg.domain.ports import DoneSync, Reversal


class MemoryReversal(Reversal):
    """Takes back syncs in a state."""

    def __init__(self, state: State) -> None:
        self._state = state

    @override
    def latest(self) -> int | None:
        return max((report.id or 0 for report in self._state.effective if report.changed), default=None)

    @override
    def find(self, sync_id: int) -> DoneSync | None:
        report = next((report for report in self._state.syncs if report.id == sync_id), None)
        if report is None:
            return None
        digests = self._state.digests[sync_id].items()
        return DoneSync(
            msgspec.structs.replace(report),
            digests={model: digest for model, digest in digests if digest is not None},
            last_ids=self._state.last_ids[sync_id],
            kept={model: self._kept(sync_id, model) for model in Model},
            undone_by=self._state.undone_by(sync_id),
        )

    @override
    def run(self, done: DoneSync, *, history: int | None) -> Mapping[Model, Effect]:
        return {
            Model.PATIENT: self._take_back(done, Model.PATIENT, self._state.patients, history),
            Model.PAYMENT: self._take_back(done, Model.PAYMENT, self._state.payments, history),
        }

    def _take_back(self, done: DoneSync, model: Model, table: Table[RecordT], history: int | None) -> Effect:
        rows, sync_id = table.rows, done.report.id or 0
        last_id = (done.last_ids or {})[model]
        kept = self._history_of(sync_id, model)
        created = [row for row in rows.values() if row.id > last_id and row.created == done.report.started_at]
        updated = [change for change in kept if change.after is not None]
        if history is not None:
            changes = [(rows[change.before.record.external_id], change.before.record) for change in updated]
            self._state.keep(history, model, changes)
            if done.keeps_created(model):
                self._state.keep(history, model, [(row, None) for row in created])
        for row in created:
            del rows[row.record.external_id]
        for change in kept:
            before: Stored[RecordT] = change.before  # type: ignore[assignment]  # rows of this model have this type
            rows[before.record.external_id] = before
        table.rows = dict(sorted(rows.items(), key=lambda item: item[1].id))
        return Effect(created=len(kept) - len(updated), updated=len(updated), deleted=len(created))

    def _kept(self, sync_id: int, model: Model) -> Effect:
        kept = self._history_of(sync_id, model)
        deleted = [change.before.record for change in kept if change.after is None]
        gone = {
            change.before.record.external_id
            for change in self._history_of(sync_id, Model.PATIENT)
            if change.after is None
        }
        dependents = [record for record in deleted if isinstance(record, Payment) and record.patient_id in gone]
        return Effect(
            updated=len(kept) - len(deleted), deleted=len(deleted) - len(dependents), dependents=len(dependents)
        )

    def _history_of(self, sync_id: int, model: Model) -> list[KeptChange]:
        return [change for change in self._state.history if (change.sync, change.model) == (sync_id, model)]
