"""The repositories for reading, the API keys and the export."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import HistoryQuery, RejectionsQuery, RowChange, SyncChangesQuery
from paymentagg.domain.ports.statistics import StatisticsRepository
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report


class PatientRepository(Protocol):
    """The stored patients, for reading."""

    def page(self, query: PatientQuery) -> Page[PatientView]:
        """Return one page, read from one state of the data."""

    def get(self, external_id: str) -> Page[PatientView]:
        """Return a page with only this patient; an empty one if there is none."""


class PaymentRepository(Protocol):
    """The stored payments, for reading."""

    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        """Return one page, read from one state of the data."""

    def get(self, external_id: str) -> Page[PaymentView]:
        """Return a page with only this payment; an empty one if there is none."""


class SyncRepository(Protocol):
    """The record of past syncs. ``by`` restricts it to the syncs of one API key."""

    def version(self) -> str:
        """Return the version of patients and payments; each sync that changes a row changes it."""

    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        """Return reports with ids below ``before``, newest first; the page's version is that of the record."""

    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        """Return a page with only this report; an empty one if there is none."""

    def rejections(self, query: RejectionsQuery, *, by: str | None = None) -> Page[Rejection] | None:
        """Return one page of the rejected rows that are kept of a sync; None if there is no such sync.

        The version is that of the content.
        """


class HistoryRepository(Protocol):
    """What past syncs have changed. The version of a page is that of its content."""

    def of_sync(self, query: SyncChangesQuery) -> Page[RowChange] | None:
        """Return one page of the changes of a sync; None if there is no such sync.

        ``after`` of a row that it created is None if the fields of that time aren't known any more.
        """

    def of_row(self, query: HistoryQuery) -> Page[RowChange]:
        """Return one page of the updates and deletions of a row, and if it is a patient, of their payments."""


class KeyRepository(Protocol):
    """The API keys. No key is ever deleted, because syncs and audit lines refer to its id."""

    def get(self, key_id: str) -> ApiKey | None:
        """Return the key with this public id; None if there is none."""

    def all(self) -> list[ApiKey]:
        """Return all keys, oldest first."""

    def add(self, key: ApiKey) -> None:
        """Store a new key."""

    def revoke(self, key_id: str, at: datetime) -> None:
        """Store the time at which a key is revoked."""

    def use(self, key_id: str, at: datetime) -> None:
        """Store the time at which a key is used, unless a later one is stored."""


class Export(Protocol):
    """All rows that match a query, read from one state of the data; the query's ``limit`` and ``after`` are ignored."""

    @property
    def version(self) -> str:
        """The version of the data that the rows are read from."""

    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        """Yield the patients in batches."""

    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        """Yield the payments in batches."""

    def close(self) -> None:
        """Release what the export holds, such as its transaction."""


class Reader(Protocol):
    """The repositories for reading, over one connection, taken when it is needed."""

    @property
    def patients(self) -> PatientRepository:
        """The stored patients."""

    @property
    def payments(self) -> PaymentRepository:
        """The stored payments."""

    @property
    def syncs(self) -> SyncRepository:
        """The record of past syncs."""

    @property
    def history(self) -> HistoryRepository:
        """What past syncs have changed."""

    @property
    def statistics(self) -> StatisticsRepository:
        """The figures."""

    @property
    def keys(self) -> KeyRepository:
        """The API keys."""

    def close(self) -> None:
        """Give the connection back; the next read takes another one."""
