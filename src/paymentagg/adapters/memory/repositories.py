"""The ports for reading, over the state that ``memory`` keeps."""

import operator
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report

T = TypeVar("T")


class _Repository:
    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage


class MemoryPatients(_Repository):
    """The port PatientRepository."""

    def page(self, query: PatientQuery) -> Page[PatientView]:
        state = self._storage.state
        found = state.patient_views(query)
        if query.after is not None:
            behind = operator.lt if query.descending else operator.gt
            found = [view for view in found if behind(query.sort.of(view), query.after)]
        return _page(found, query.limit, state.version)

    def get(self, external_id: str) -> Page[PatientView]:
        state = self._storage.state
        found = [view for view in state.patient_views(PatientQuery()) if view.external_id == external_id]
        return _page(found, 1, state.version)


class MemoryPayments(_Repository):
    """The port PaymentRepository."""

    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        state = self._storage.state
        found = [view for view in state.payment_views(query) if view.id > (query.after or 0)]
        return _page(found, query.limit, state.version)


class MemorySyncs(_Repository):
    """The port SyncRepository."""

    def version(self) -> str:
        return self._storage.state.version

    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        older = [report for report in state.syncs_of(by) if before is None or (report.id or 0) < before]
        return _page(older[::-1], limit, str(len(state.syncs)))

    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        return _page([report for report in state.syncs_of(by) if report.id == sync_id], 1, str(len(state.syncs)))


class MemoryKeys(_Repository):
    """The port KeyRepository."""

    def get(self, key_id: str) -> ApiKey | None:
        return self._storage.keys.get(key_id)

    def all(self) -> list[ApiKey]:
        return sorted(self._storage.keys.values(), key=lambda key: (key.created, key.id))

    def add(self, key: ApiKey) -> None:
        self._storage.keys[key.id] = key

    def revoke(self, key_id: str, at: datetime) -> None:
        self._storage.keys[key_id] = msgspec.structs.replace(self._storage.keys[key_id], revoked=at)


def _page(found: Sequence[T], limit: int, version: str) -> Page[T]:
    return Page(list(found[:limit]), len(found) > limit, version)


class MemoryExport:
    """The port Export: it holds on to the state that it began with."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._state = storage.state
        self.version = self._state.version

    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        yield self._state.patient_views(query)

    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        yield self._state.payment_views(query)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
