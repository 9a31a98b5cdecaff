"""Erasing the changes and the rejected rows of past syncs, in memory."""

from collections import Counter
from datetime import datetime

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.state import KeptChange
from paymentagg.adapters.memory.storage import MemoryTransaction
from paymentagg.domain.forgetting import Forgotten
from paymentagg.domain.model import Payment
from paymentagg.domain.ports import Erased, Retention


class MemoryRetention(Retention):
    """See the port Retention; it locks the transaction, which keeps what it has erased.

    Raises:
        SyncInProgress: a sync is running.
    """

    def __init__(self, transaction: MemoryTransaction) -> None:
        transaction.lock()
        self._transaction = transaction

    @override
    def prune(self, before: datetime) -> Erased | None:
        state = self._transaction.state
        old = {report.id for report in state.syncs if report.started_at < before}
        oldest = min((sync for sync in {*(kept.sync for kept in state.history), *state.rejections} & old), default=None)
        if oldest is None:
            return None
        kept = tuple(each for each in state.history if each.sync != oldest)
        rejections = {sync: rows for sync, rows in state.rejections.items() if sync != oldest}
        self._transaction.state = msgspec.structs.replace(state, history=kept, rejections=rejections)
        return Erased(len(state.history) - len(kept), len(state.rejections.get(oldest, ())))

    @override
    def is_stored(self, external_id: str) -> bool:
        return external_id in self._transaction.state.patients.rows

    @override
    def forget(self, external_id: str) -> Erased:
        state = self._transaction.state
        names = [_names(each, external_id) for each in state.history]
        theirs = {
            each.before.record.external_id
            for each, is_named in zip(state.history, names, strict=True)
            if is_named and isinstance(each.before.record, Payment)
        }
        forgotten = Forgotten(external_id, theirs - state.payments.rows.keys())
        reports = [msgspec.structs.replace(report) for report in state.syncs]
        changes = Counter(each.sync for each, is_named in zip(state.history, names, strict=True) if is_named)
        errors = sum(forgotten.erase_from(report, changes[report.id or 0]) for report in reports)
        kept = tuple(each for each, is_named in zip(state.history, names, strict=True) if not is_named)
        rejections = {
            sync: tuple(row for row in rows if not forgotten.is_named_by(row))
            for sync, rows in state.rejections.items()
        }
        rejected = sum(map(len, state.rejections.values())) - sum(map(len, rejections.values()))
        self._transaction.state = msgspec.structs.replace(
            state, history=kept, syncs=tuple(reports), rejections=rejections
        )
        return Erased(sum(names), rejected, errors)


def _names(change: KeptChange, external_id: str) -> bool:
    """Return whether the change is one of the patient, or of a payment that was or became theirs."""
    records = (change.before.record, change.after)
    if isinstance(change.before.record, Payment):
        return any(isinstance(record, Payment) and record.patient_id == external_id for record in records)
    return change.before.record.external_id == external_id
