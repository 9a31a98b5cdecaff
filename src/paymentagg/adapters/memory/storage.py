"""The storage in memory, in dicts. A sync copies the state, changes the copy, and replaces the state by it at the end.

It is the reference: the contract tests check the databases and it against the same rules, and unit tests use it.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.replica import MemoryDepartures, MemoryReplica
from paymentagg.adapters.memory.state import State, Table
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.departures import Departures
from paymentagg.domain.errors import SyncInProgress
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.ports import KeyedSync, PastSync, Replica, Storage
from paymentagg.domain.report import Report


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

    __slots__ = (
        "departures",
        "patients",
        "payments",
    )  # attributes in place of the port's read-only properties: lock sets them
    patients: Replica[Patient]
    payments: Replica[Payment]
    departures: Departures

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
        for number, digests in reversed(self.state.digests.items()):
            digest = digests.get(model)
            if digest is not None:
                part = self.state.syncs[number - 1].models[model]
                return PastSync(number, digest, part, changed_since=int(self.state.version) > number)
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
        parameters: str | None,
        by: str | None,
    ) -> None:
        if taken_at is not None:
            self.state.taken = self.state.taken | dict.fromkeys(digests, taken_at)
        number = len(self.state.syncs) + 1
        self.state.digests = self.state.digests | {number: digests}
        self.state.done_by = self.state.done_by | {number: by}
        report = msgspec.structs.replace(report)
        self.state.syncs += (report,)
        if key is not None:
            known = {model: digest for model, digest in digests.items() if digest is not None}
            self.state.keyed = self.state.keyed | {key: KeyedSync(known, parameters, report)}

    @override
    def discard(self) -> None:
        self.discarded = True


def _largest(table: Table[RecordT]) -> int:
    return max((row.id for row in table.rows.values()), default=0)
