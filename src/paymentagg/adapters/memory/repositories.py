"""The repositories, the API keys and the export in memory."""

import operator
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.ports import Export, KeyRepository, PatientRepository, PaymentRepository, SyncRepository
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report

T = TypeVar("T")


class _Repository:
    """What all repositories share: the storage they read."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage


class MemoryPatients(_Repository, PatientRepository):
    """The stored patients."""

    @override
    def page(self, query: PatientQuery) -> Page[PatientView]:
        state = self._storage.state
        matching = found = state.patient_views(query)
        if query.after is not None:
            follows = operator.lt if query.descending else operator.gt
            found = [view for view in matching if follows(query.sort.of(view), query.after)]
        return _page(found, query.limit, state.version, len(matching) if query.count else None)

    @override
    def get(self, external_id: str) -> Page[PatientView]:
        state = self._storage.state
        found = [view for view in state.patient_views(PatientQuery()) if view.external_id == external_id]
        return _page(found, 1, state.version)


class MemoryPayments(_Repository, PaymentRepository):
    """The stored payments."""

    @override
    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        state = self._storage.state
        matching = state.payment_views(query)
        found = [view for view in matching if view.id > (query.after or 0)]
        return _page(found, query.limit, state.version, len(matching) if query.count else None)


class MemorySyncs(_Repository, SyncRepository):
    """The record of past syncs."""

    @override
    def version(self) -> str:
        return self._storage.state.version

    @override
    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        older = [report for report in state.syncs_of(by) if before is None or (report.id or 0) < before]
        return _page(older[::-1], limit, str(len(state.syncs)))

    @override
    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        return _page([report for report in state.syncs_of(by) if report.id == sync_id], 1, str(len(state.syncs)))


class MemoryKeys(_Repository, KeyRepository):
    """The API keys."""

    @override
    def get(self, key_id: str) -> ApiKey | None:
        return self._storage.keys.get(key_id)

    @override
    def all(self) -> list[ApiKey]:
        return sorted(self._storage.keys.values(), key=lambda key: (key.created, key.id))

    @override
    def add(self, key: ApiKey) -> None:
        self._storage.keys[key.id] = key

    @override
    def revoke(self, key_id: str, at: datetime) -> None:
        self._storage.keys[key_id] = msgspec.structs.replace(self._storage.keys[key_id], revoked=at)

    @override
    def use(self, key_id: str, at: datetime) -> None:
        key = self._storage.keys[key_id]
        if key.last_used is None or key.last_used < at:
            self._storage.keys[key_id] = msgspec.structs.replace(key, last_used=at)


class MemoryExport(Export):
    """An export of the state at the time it was created."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._state = storage.state

    @property
    @override
    def version(self) -> str:
        return self._state.version

    @override
    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        yield self._state.patient_views(query)

    @override
    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        yield self._state.payment_views(query)

    @override
    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _page(found: Sequence[T], limit: int, version: str, total: int | None = None) -> Page[T]:
    return Page(list(found[:limit]), len(found) > limit, version, total)
