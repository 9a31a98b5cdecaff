"""The repositories, the API keys, the sessions and the export in memory."""

import operator
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.state import State
from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.domain.api_keys import ApiKey, WrongKeys
from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import RejectionsQuery
from paymentagg.domain.model import display_name
from paymentagg.domain.ports import (
    Export,
    KeyRepository,
    PatientRepository,
    PaymentRepository,
    SessionRepository,
    SyncRepository,
)
from paymentagg.domain.queries import MAX_NAMES, Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.sessions import Session

T = TypeVar("T")


class Repository:
    """What all repositories share: the storage they read."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage


class MemoryPatients(Repository, PatientRepository):
    """The stored patients."""

    @override
    def page(self, query: PatientQuery) -> Page[PatientView]:
        state = self._storage.state
        matching = found = state.patient_views(query)
        if query.after is not None:
            follows = operator.lt if query.descending else operator.gt
            found = [view for view in matching if follows(query.sort.of(view), query.after)]
        page = page_of(found, query.limit, state.version, len(matching) if query.count else None)
        if not (query.count and query.sum):
            return page
        return msgspec.structs.replace(page, sum=sum((view.payment_total for view in matching), Decimal("0.00")))

    @override
    def get(self, external_id: str) -> Page[PatientView]:
        state = self._storage.state
        found = [view for view in state.patient_views(PatientQuery()) if view.external_id == external_id]
        return page_of(found, 1, state.version)

    @override
    def names(self, external_ids: Sequence[str]) -> dict[str, str]:
        if len(external_ids) > MAX_NAMES:
            raise ValueError(f"at most {MAX_NAMES} names can be read at once")
        rows = self._storage.state.patients.rows
        found = [rows[external_id].record for external_id in external_ids if external_id in rows]
        return {each.external_id: display_name(each.first_name, each.last_name, each.middle_name) for each in found}


class MemoryPayments(Repository, PaymentRepository):
    """The stored payments."""

    @override
    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        state = self._storage.state
        matching = state.payment_views(query)
        found = [view for view in matching if view.id > (query.after or 0)]
        return page_of(found, query.limit, state.version, len(matching) if query.count else None)

    @override
    def get(self, external_id: str) -> Page[PaymentView]:
        state = self._storage.state
        found = [view for view in state.payment_views(PaymentQuery()) if view.external_id == external_id]
        return page_of(found, 1, state.version)


class MemorySyncs(Repository, SyncRepository):
    """The record of past syncs."""

    @override
    def version(self) -> str:
        return self._storage.state.version

    @override
    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        older = [report for report in state.syncs_of(by) if before is None or (report.id or 0) < before]
        return page_of(older[::-1], limit, _version(state, older))

    @override
    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        state = self._storage.state
        found = [report for report in state.syncs_of(by) if report.id == sync_id]
        return page_of(found, 1, _version(state, found))

    @override
    def rejections(self, query: RejectionsQuery, *, by: str | None = None) -> Page[Rejection] | None:
        state = self._storage.state
        if query.sync not in {report.id for report in state.syncs_of(by)}:
            return None
        kept = [each for each in state.rejections.get(query.sync, ()) if query.model in (None, each.model)]
        found = [each for each in kept if query.after is None or (each.model, each.row) > query.after]
        return page_of(found, query.limit, msgspec.json.encode(found).decode())


class MemoryKeys(Repository, KeyRepository):
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

    @override
    def count_wrong(self, address: str, at: datetime, window: timedelta) -> WrongKeys:
        begun = {address: WrongKeys(at, 0)}
        begun |= {other: keys for other, keys in self._storage.wrong_keys.items() if keys.began > at - window}
        counted = msgspec.structs.replace(begun[address], wrong=begun[address].wrong + 1)
        self._storage.wrong_keys = begun | {address: counted}
        return counted


class MemorySessions(Repository, SessionRepository):
    """The sessions of browsers."""

    @override
    def find(self, digest: str) -> tuple[Session, ApiKey] | None:
        session = self._storage.sessions.get(digest)
        return None if session is None else (session, self._storage.keys[session.key_id])

    @override
    def add(self, session: Session) -> None:
        self._storage.sessions[session.digest] = session

    @override
    def remove(self, digest: str) -> None:
        self._storage.sessions.pop(digest, None)

    @override
    def prune(self, at: datetime) -> None:
        live = {digest: session for digest, session in self._storage.sessions.items() if session.expires > at}
        self._storage.sessions = live


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


def _version(state: State, reports: list[Report]) -> str:
    """Return a version that depends on the content too: reports change if a patient is forgotten."""
    return f"{len(state.syncs)} {msgspec.json.encode(reports).decode()}"


def page_of(found: Sequence[T], limit: int, version: str, total: int | None = None) -> Page[T]:
    """Return the first ``limit`` rows as a page; ``total``: how many rows all pages have."""
    return Page(list(found[:limit]), len(found) > limit, version, total)
