"""The storage in memory, in dicts. A sync copies the state, changes the copy, and replaces the state by it at the end.

It is the reference: the contract tests check the databases and it against the same rules, and unit tests use it.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.replica import MemoryDepartures, MemoryReplica
from paymentagg.adapters.memory.state import State, Table
from paymentagg.adapters.memory.undo import MemoryReversal
from paymentagg.domain.api_keys import ApiKey, WrongKeys
from paymentagg.domain.changes import Rejection
from paymentagg.domain.departures import Departures
from paymentagg.domain.errors import SyncInProgress
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.ports import HeldBy, KeyedSync, PastSync, Replica, Reversal, Storage
from paymentagg.domain.report import Report
from paymentagg.domain.sessions import Session


class MemoryStorage:
    """The state, API keys, sessions, wrong keys. ``patience``: how many seconds a sync waits for another one to end."""

    def __init__(self, patience: float = 5) -> None:
        self.state = State(Table(), Table())
        self.patience = patience
        self.syncing = threading.Lock()
        self.keys: dict[str, ApiKey] = {}
        self.sessions: dict[str, Session] = {}
        self.wrong_keys: dict[str, WrongKeys] = {}

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

    __slots__ = (
        "departures",
        "patients",
        "payments",
        "reversal",
    )  # attributes in place of the port's read-only properties: lock sets them
    patients: Replica[Patient]
    payments: Replica[Payment]
    departures: Departures
    reversal: Reversal

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
        patients = MemoryReplica(Model.PATIENT, self.state, self.state.patients)
        payments = MemoryReplica(Model.PAYMENT, self.state, self.state.payments)
        self.patients, self.payments = patients, payments
        self.reversal = MemoryReversal(self.state)
        self.departures = MemoryDepartures(self.state, patients, payments)

    @override
    def last_started(self) -> datetime | None:
        return self.state.syncs[-1].started_at if self.state.syncs else None

    @override
    def next_id(self) -> int:
        number = len(self.state.syncs) + 1
        largest = {
            Model.PATIENT: _largest(self.state.patients),
            Model.PAYMENT: _largest(self.state.payments),
        }
        self.state.last_ids = self.state.last_ids | {number: largest}
        return number

    @override
    def last(self, model: Model) -> PastSync | None:
        changed_since = False
        for report in reversed(self.state.effective):
            digest = self.state.digests[report.id or 0].get(model)
            if digest is not None:
                return PastSync(report.id or 0, digest, report.models[model], changed_since)
            changed_since |= report.changed
        return None

    @override
    def last_taken(self, model: Model) -> datetime | None:
        taken = (self.state.taken.get(report.id or 0, {}).get(model) for report in reversed(self.state.effective))
        return next(filter(None, taken), None)

    @override
    def held(self, model: Model, digest: str) -> HeldBy | None:
        effective = (report.id or 0 for report in self.state.effective)
        last = max((number for number in effective if self.state.digests[number].get(model) == digest), default=0)
        for report in reversed(self.state.syncs[last:]):
            if report.undoes is not msgspec.UNSET and self.state.held[report.id or 0].get(model) == digest:
                return HeldBy(report.undoes, report.started_at)
        return None

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
        parameters: str | None,
        by: str | None,
        held: Mapping[Model, str],
    ) -> None:
        number = len(self.state.syncs) + 1
        if taken_at is not None:
            self.state.taken = self.state.taken | {number: dict.fromkeys(digests, taken_at)}
        self.state.held = self.state.held | {number: held}
        self.state.digests = self.state.digests | {number: digests}
        self.state.done_by = self.state.done_by | {number: by}
        report = msgspec.structs.replace(report)
        self.state.syncs += (report,)
        self.state.after = self.state.after | {number: self.state.total}
        if key is not None:
            known = {model: digest for model, digest in digests.items() if digest is not None}
            self.state.keyed = self.state.keyed | {key: KeyedSync(known, parameters, report)}

    @override
    def keep_rejections(self, sync_id: int, rejections: Iterable[Rejection]) -> None:
        if kept := tuple(rejections):
            self.state.rejections = self.state.rejections | {sync_id: kept}

    @override
    def discard(self) -> None:
        self.discarded = True


def _largest(table: Table[RecordT]) -> int:
    return max((row.id for row in table.rows.values()), default=0)
