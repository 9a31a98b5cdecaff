"""The repositories for reading, the API keys, the sessions and the export."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from paymentagg.domain.api_keys import ApiKey, WrongKeys
from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import HistoryQuery, RejectionsQuery, RowChange, SyncChangesQuery
from paymentagg.domain.ports.statistics import StatisticsRepository
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.sessions import Session


class PatientRepository(Protocol):
    """The stored patients, for reading."""

    def page(self, query: PatientQuery) -> Page[PatientView]:
        """Return one page, read from one state of the data."""

    def get(self, external_id: str) -> Page[PatientView]:
        """Return a page with only this patient; an empty one if there is none."""

    def names(self, external_ids: Sequence[str]) -> dict[str, str]:
        """Return the display names by external id of those of these patients that are stored.

        Raises:
            ValueError: there are more than ``MAX_NAMES`` external ids.
        """


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

    def count_wrong(self, address: str, at: datetime, window: timedelta) -> WrongKeys:
        """Count a wrong key from an address, and return all of its window; if that has ended, a new one begins.

        Whatever is stored of other windows that have ended is deleted.
        """


class SessionRepository(Protocol):
    """The sessions of browsers."""

    def find(self, digest: str) -> tuple[Session, ApiKey] | None:
        """Return the session with this digest, expired or not, and its key, live or not; None if there is none."""

    def add(self, session: Session) -> None:
        """Store a new session, of a key that is stored."""

    def remove(self, digest: str) -> None:
        """Delete the session with this digest, if there is one."""

    def prune(self, at: datetime) -> None:
        """Delete the sessions that have expired at a time."""


class Export(Protocol):
    """All rows that match a query, read from one state of the data, several times if need be.

    The query's ``limit`` and ``after`` are ignored.
    """

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

    @property
    def sessions(self) -> SessionRepository:
        """The sessions of browsers."""

    def reaches(self, sync: int) -> bool:
        """Return whether what is read includes the sync with this id or a later one, after waiting for a replica."""

    def close(self) -> None:
        """Give the connection back; the next read takes another one."""
