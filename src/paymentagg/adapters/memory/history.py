"""What past syncs have changed, in memory."""

from collections.abc import Iterator
from typing import Any

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.repositories import Repository, page_of
from paymentagg.adapters.memory.state import State, Stored
from paymentagg.domain.history import (
    ChangeKind,
    HistoryQuery,
    PatientChange,
    PaymentChange,
    RowChange,
    SyncChangesQuery,
)
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.money import CENT, quantized
from paymentagg.domain.ports import HistoryRepository
from paymentagg.domain.queries import Page

_Row = Stored[Patient] | Stored[Payment]
_Record = Patient | Payment


class MemoryHistory(Repository, HistoryRepository):
    """See the port HistoryRepository."""

    @override
    def of_sync(self, query: SyncChangesQuery) -> Page[RowChange] | None:
        state = self._storage.state
        if all(report.id != query.sync for report in state.syncs):
            return None
        changes = [change for change in _kept(state) if change.sync == query.sync]
        changes += _created(state, query.sync)
        found = [
            change
            for change in sorted(changes, key=lambda change: change.position)
            if query.model in (None, change.position[0])
            and query.kind in (None, change.kind)
            and (query.after is None or change.position > query.after)
        ]
        return _page(found, query.limit)

    @override
    def of_row(self, query: HistoryQuery) -> Page[RowChange]:
        found = sorted(
            (change for change in _kept(self._storage.state) if _concerns(change, query)),
            key=lambda change: (-change.sync, change.position),
        )
        if query.after is not None:
            sync, *place = query.after
            found = [change for change in found if (-change.sync, change.position) > (-sync, tuple(place))]
        return _page(found, query.limit)


def _page(found: list[RowChange], limit: int) -> Page[RowChange]:
    """Return the page; its content is its version."""
    page = page_of(found, limit, "")
    return msgspec.structs.replace(page, version=msgspec.json.encode((page.items, page.more)).decode())


def _kept(state: State) -> Iterator[RowChange]:
    """Yield what the syncs have updated and deleted, oldest first."""
    for kept in state.history:
        kind = ChangeKind.DELETED if kept.after is None else ChangeKind.UPDATED
        yield _change(state, kept.sync, kind, kept.before, kept.before.record, kept.after)


def _created(state: State, sync: int) -> Iterator[RowChange]:
    """Yield the rows that a sync has created: those of its time, stored or deleted since."""
    at = _started(state, sync)
    undone = next(report.undoes for report in state.syncs if report.id == sync)
    tables: tuple[Any, ...] = (state.patients, state.payments)
    for model, table in zip(Model, tables, strict=True):
        kept = [change for change in state.history if change.model is model]
        created: dict[int, _Row] = {row.id: row for row in table.rows.values() if row.created == at}
        for change in reversed(kept):
            if (
                change.before.created == at
                and change.sync > sync
                and (change.after is None or change.before.id in created)
            ):
                created[change.before.id] = change.before  # of several, the oldest stays
        for change in kept:
            if change.sync == undone and change.after is None:  # an undo has created it again
                yield _change(state, sync, ChangeKind.CREATED, change.before, None, change.before.record)
        for row in created.values():
            yield _change(state, sync, ChangeKind.CREATED, row, None, row.record if row.updated == at else None)


def _change(
    state: State, sync: int, kind: ChangeKind, row: _Row, before: _Record | None, after: _Record | None
) -> RowChange:
    made: Any = PatientChange if isinstance(row.record, Patient) else PaymentChange
    own = (sync, _started(state, sync), kind, row.id, row.record.external_id)
    change: RowChange = made(*own, _exact(before), _exact(after))
    return change


def _exact(record: _Record | None) -> _Record | None:
    """Return the record with an amount of two decimals."""
    if isinstance(record, Payment):
        return msgspec.structs.replace(record, amount=quantized(record.amount, CENT))
    return record


def _started(state: State, sync: int) -> Any:
    return next(report.started_at for report in state.syncs if report.id == sync)


def _concerns(change: RowChange, query: HistoryQuery) -> bool:
    if change.external_id == query.external_id and change.position[0] is query.model:
        return True
    is_payment = isinstance(change, PaymentChange) and query.model is Model.PATIENT
    records = (change.before, change.after) if is_payment else ()
    return any(isinstance(record, Payment) and record.patient_id == query.external_id for record in records)
