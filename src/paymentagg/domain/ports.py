"""The ports: what the use cases need from storage. Adapters implement them.

Everything written through the ports of one transaction is kept together or not at all; the entry point commits.
Every method raises StorageUnavailable if the storage can't be used.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol

import msgspec

from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.changes import Change, Pair, Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import ModelReport, Report


class Batch(msgspec.Struct, Generic[RecordT], frozen=True, gc=False):
    """Consecutive rows of a snapshot. ``numbers`` are the row numbers of ``records``, and have the same length."""

    records: list[RecordT]
    numbers: range | list[int]
    rejections: list[Rejection]


class Snapshot(Protocol[RecordT]):
    """The whole state of one model, as it was sent."""

    def digest(self) -> str | None:
        """Return a text that identifies the bytes and how they are read; None if they can't be read twice.

        Call it before iterating, if at all.
        """

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        """Read the snapshot, once. Only after the last batch is it known to be readable whole.

        Raises:
            InvalidSnapshot, SnapshotTooLarge: the snapshot can't be read whole.
        """


class PastSync(msgspec.Struct, frozen=True):
    """The last sync of a model that has a digest. ``changed_since``: a later sync of any model changed a row."""

    digest: str
    part: ModelReport
    changed_since: bool


class KeyedSync(msgspec.Struct, frozen=True):
    """A past sync that had an idempotency key."""

    digests: dict[Model, str]
    report: Report


class Effect(msgspec.Struct, frozen=True):
    """How many rows are created, updated and deleted; ``dependents`` are payments deleted with their patients."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    dependents: int = 0


class Replica(Protocol[RecordT]):
    """The stored rows of one model during a sync.

    Call stage, pair, disputed, settle, changes (optional) and apply once each, in this order; stored at any time.
    """

    def stage(self, batches: Iterable[Batch[RecordT]]) -> None:
        """Store the incoming rows for comparison. Of a rejected row only the external id is kept, if it is readable."""

    def pair(self) -> Effect:
        """Pair each staged row with its stored twin, and return the effect of the plain pairs.

        A pair is plain if no rule can reject it: a valid row of a known patient that is the only one with its external
        id, or a stored row without an incoming one. All other pairs are disputed. An adapter without a cheaper way may
        treat every pair as disputed. ``dependents`` counts the payments of all patients that have no incoming row.
        """

    def disputed(self) -> Iterator[Pair[RecordT]]:
        """Yield all pairs that aren't plain, ordered by external id, then row."""

    def settle(self, decisions: Iterable[Change]) -> None:
        """Receive the decisions about the disputed pairs: a row that they reject isn't applied."""

    def changes(self, *, delete: bool) -> Iterator[Change]:
        """Yield what apply will do: deletions (payments deleted with their patients included), updates, creations."""

    def apply(self, at: datetime, *, delete: bool) -> Effect:
        """Write the changes and the payment totals of the patients concerned, and return the effect."""

    def stored(self) -> int:
        """Return how many rows are stored."""


class Storage(Protocol):
    """The whole store, in the transaction of one sync."""

    @property
    def patients(self) -> Replica[Patient]:
        """The stored patients."""

    @property
    def payments(self) -> Replica[Payment]:
        """The stored payments."""

    def lock(self) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another sync still held the lock after the longest wait allowed.
        """

    def last(self, model: Model) -> PastSync | None:
        """Return the last sync of the model whose snapshot had a digest; None if there is none."""

    def last_taken(self, model: Model) -> datetime | None:
        """Return the ``taken_at`` of the last sync of the model that had one; None if there is none."""

    def keyed(self, key: str) -> KeyedSync | None:
        """Return the sync with this idempotency key; None if there is none."""

    def record(
        self,
        report: Report,
        digests: Mapping[Model, str | None],
        *,
        taken_at: datetime | None,
        key: str | None,
        by: str | None,
    ) -> int:
        """Record the sync and return the id of its report.

        Args:
            digests: of the snapshots; a key for each model that was synced.
            taken_at: when the snapshots were taken, aware.
            key: the idempotency key.
            by: the public id of the API key.
        """

    def discard(self) -> None:
        """Ensure that the transaction is rolled back."""


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


class SyncRepository(Protocol):
    """The record of past syncs. ``by`` restricts it to the syncs of one API key."""

    def version(self) -> str:
        """Return the version of patients and payments; each sync that changes a row changes it."""

    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        """Return reports with ids below ``before``, newest first; the page's version is that of the record."""

    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        """Return a page with only this report; an empty one if there is none."""


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


class TransactionManager(Protocol):
    """Begins, commits and aborts a transaction; a database joins what is written to it."""

    def begin(self) -> object:
        """Begin a transaction."""

    def commit(self) -> object:
        """Keep everything that was written."""

    def abort(self) -> object:
        """Roll everything back."""

    def doom(self) -> object:
        """Make the transaction end with an abort."""

    def isDoomed(self) -> bool:  # noqa: N802  the name is that of the package transaction
        """Return whether the transaction is doomed."""

    def get(self) -> Any:
        """Return the transaction, which takes hooks."""


class Reader(Protocol):
    """The repositories for reading, over one connection that is opened when the first of them is used."""

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
    def keys(self) -> KeyRepository:
        """The API keys."""

    def close(self) -> None:
        """Give the connection back."""


class Database(Protocol):
    """A database, from which each request gets its ports."""

    @property
    def files(self) -> Sequence[Path]:
        """The files of the database, whether or not they exist; none if a server keeps them."""

    def prepare(self, *, dry_run: bool = False) -> None:
        """Create the database with its schema if it is an SQLite file that doesn't exist or is empty.

        A dry run uses an empty database instead, which vanishes with the process.

        Raises:
            StorageUnavailable: the file can't be created.
        """

    def check(self) -> None:
        """Check that the database can be read and has the schema of this code.

        Raises:
            StorageUnavailable: it can't be read, or has another schema.
        """

    def storage(self, manager: TransactionManager) -> Storage:
        """Return the store for one sync, kept when the manager commits."""

    def keys(self, manager: TransactionManager) -> KeyRepository:
        """Return the API keys for writing, kept when the manager commits."""

    def note_use(self, key_id: str, at: datetime) -> None:
        """Store the time at which an API key is used, in a transaction of its own that doesn't wait for a sync.

        Raises:
            SyncInProgress: a sync is running, and nothing else can be written meanwhile.
        """

    def reader(self) -> Reader:
        """Return the repositories for reading."""

    def export(self) -> Export:
        """Return an export of the current state."""
