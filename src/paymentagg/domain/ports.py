"""What the use cases need from storage. Adapters implement these; nothing here knows how.

All that one transaction's ports write is kept together or not at all; committing is the entry point's work.
Every method raises StorageUnavailable where the storage can't be used.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol

import msgspec

from paymentagg.domain.api_keys import ApiKey
from paymentagg.domain.changes import Change, Pair, Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import ModelReport, Report


class Batch(msgspec.Struct, Generic[RecordT], frozen=True, gc=False):
    """Some rows of a snapshot in order: the good ones, ``numbers`` beside ``records``, and the rejected ones."""

    records: list[RecordT]
    numbers: range | list[int]
    rejections: list[Rejection]


class Snapshot(Protocol[RecordT]):
    """The whole state of one model, as it was sent. Iterating reads it, once, and may fail until the last batch."""

    def digest(self) -> str | None:
        """Return a text that only the same bytes, read in the same way, have; None where they can't be read twice.

        Called before iterating, if at all.
        """

    def __iter__(self) -> Iterator[Batch[RecordT]]: ...


class PastSync(msgspec.Struct, frozen=True):
    """What is known of the last sync of a model that has a digest; ``changed_since``: a later sync changed a row."""

    digest: str
    part: ModelReport
    changed_since: bool


class KeyedSync(msgspec.Struct, frozen=True):
    """What was kept of a sync that came with an idempotency key."""

    digests: dict[Model, str]
    report: Report


class Effect(msgspec.Struct, frozen=True):
    """How many rows are created, updated and deleted; ``dependents`` are payments deleted with their patients."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    dependents: int = 0


class Replica(Protocol[RecordT]):
    """The stored rows of one model while a snapshot is brought over. The methods are called in this order, once."""

    def stage(self, batches: Iterable[Batch[RecordT]]) -> None:
        """Take the rows in. A rejected row with a readable external id is only noted as present."""

    def pair(self) -> Effect:
        """Put each row beside its stored twin; return what becomes of the pairs that are plain.

        A pair is plain where nothing can be disputed: a good row of a known patient that alone has its external
        id, or a stored row that nothing came for. An adapter with no cheaper way may dispute every pair.
        """

    def disputed(self) -> Iterator[Pair[RecordT]]:
        """Yield all pairs that are not plain, in the order of external id, then row."""

    def settle(self, decisions: Iterable[Change]) -> None:
        """Take what was decided about the disputed pairs: a row that is rejected is not applied."""

    def changes(self, *, delete: bool) -> Iterator[Change]:
        """Yield what apply will do: deletions (of payments with their patients too), updates and creations."""

    def apply(self, at: datetime, *, delete: bool) -> Effect:
        """Write the changes and the payment totals of the patients they touch; return what was done."""

    def stored(self) -> int:
        """Return how many rows are stored."""


class Storage(Protocol):
    """The whole store, for one sync."""

    @property
    def patients(self) -> Replica[Patient]: ...

    @property
    def payments(self) -> Replica[Payment]: ...

    def lock(self) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another sync went on for longer than this one may wait.
        """

    def last(self, model: Model) -> PastSync | None:
        """Return the last sync of the model whose snapshot had a digest, None where there is none."""

    def last_taken(self, model: Model) -> datetime | None:
        """Return when the last snapshot of the model that said so was taken, None where none has."""

    def keyed(self, key: str) -> KeyedSync | None:
        """Return the sync that came with this idempotency key, None where none has."""

    def record(
        self,
        report: Report,
        digests: Mapping[Model, str | None],
        *,
        taken_at: datetime | None,
        key: str | None,
        by: str | None,
    ) -> int:
        """Keep the report, the digests of the snapshots, when they were taken, the idempotency and the API key.

        Returns:
            the id that the report got.
        """

    def discard(self) -> None:
        """See to it that nothing of this transaction is kept."""


class PatientRepository(Protocol):
    """The stored patients, for reading."""

    def page(self, query: PatientQuery) -> Page[PatientView]:
        """Return one page, all of it read from the same state."""

    def get(self, external_id: str) -> Page[PatientView]:
        """Return a page with this patient alone, or an empty one."""


class PaymentRepository(Protocol):
    """The stored payments, for reading."""

    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        """Return one page, all of it read from the same state."""


class SyncRepository(Protocol):
    """The record of past syncs. ``by`` narrows it to the syncs of one API key."""

    def version(self) -> str:
        """Return the version of patients and payments: another text after each sync that changed a row."""

    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        """Return reports, newest first, from below the id ``before`` on; the page's version is the record's own."""

    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        """Return a page with this report alone, or an empty one."""


class KeyRepository(Protocol):
    """The API keys. None is ever deleted: what it has done goes by its id."""

    def get(self, key_id: str) -> ApiKey | None:
        """Return the key with this public id, None where there is none."""

    def all(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""

    def add(self, key: ApiKey) -> None:
        """Keep a new key."""

    def revoke(self, key_id: str, at: datetime) -> None:
        """Note when a key was revoked."""


class Export(Protocol):
    """All rows that a query finds, read from one state; ``limit`` and ``after`` of queries don't count here."""

    @property
    def version(self) -> str:
        """The version of the state that the rows come from."""

    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        """Yield the rows in batches."""

    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        """Yield the rows in batches."""

    def close(self) -> None:
        """Let go of the state."""


class TransactionManager(Protocol):
    """Begins, commits and aborts a transaction; a database joins what is written to it."""

    def begin(self) -> object: ...

    def commit(self) -> object: ...

    def abort(self) -> object: ...

    def doom(self) -> object:
        """Make the transaction end with an abort."""

    def isDoomed(self) -> bool: ...  # noqa: N802  the name is that of the package transaction

    def get(self) -> Any:
        """Return the transaction, which takes hooks."""


class Reader(Protocol):
    """The repositories for reading, over one connection that is opened when the first of them is used."""

    @property
    def patients(self) -> PatientRepository: ...

    @property
    def payments(self) -> PaymentRepository: ...

    @property
    def syncs(self) -> SyncRepository: ...

    @property
    def keys(self) -> KeyRepository: ...

    def end(self) -> None:
        """End the read transaction; the next read begins another one."""

    def close(self) -> None:
        """Give the connection back."""


class Database(Protocol):
    """A database, from which each request gets its ports."""

    def check(self) -> None:
        """Ensure that the database can be read and has the schema of this code.

        Raises:
            StorageUnavailable: it can't, or hasn't.
        """

    def storage(self, manager: TransactionManager) -> Storage:
        """Return the store for one sync, kept when the manager commits."""

    def keys(self, manager: TransactionManager) -> KeyRepository:
        """Return the API keys for writing, kept when the manager commits."""

    def reader(self) -> Reader:
        """Return the repositories for reading."""

    def export(self) -> Export:
        """Return an export of the current state."""
