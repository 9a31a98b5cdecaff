"""What the use case of a sync needs from storage."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Change, Effect, Pair, Rejection
from paymentagg.domain.departures import Departures
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.ports.undoing import Reversal
from paymentagg.domain.report import ModelReport, Report


class Snapshot(Protocol[RecordT]):
    """The whole state of one model, as it was sent."""

    def digest(self) -> str | None:
        """Return a text that identifies the bytes and how they are read; None if it isn't known yet.

        Bytes that can't be read twice, such as those of a pipe, must be iterated first. Don't call it while iterating.
        """

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        """Read the snapshot, once. Only after the last batch is it known to be readable whole.

        Raises:
            InvalidSnapshot, SnapshotTooLarge: the snapshot can't be read whole.
        """


class PastSync(msgspec.Struct, frozen=True):
    """The last sync of a model that has a digest. ``changed_since``: a later sync of any model changed a row.

    Undos and the syncs that they have taken back don't count.
    """

    id: int
    digest: str
    part: ModelReport
    changed_since: bool


class HeldBy(msgspec.Struct, frozen=True):
    """Why a snapshot is held: the sync that had it, and when that was undone."""

    sync_id: int
    undone_at: datetime


class KeyedSync(msgspec.Struct, frozen=True):
    """A past sync that had an idempotency key. ``parameters`` is None if they weren't recorded."""

    digests: dict[Model, str]
    parameters: str | None
    report: Report


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
        treat every pair as disputed.
        """

    def disputed(self) -> Iterator[Pair[RecordT]]:
        """Yield all pairs that aren't plain, ordered by external id, then row."""

    def settle(self, decisions: Iterable[Change]) -> None:
        """Receive the decisions about the disputed pairs: a row that they reject isn't applied."""

    def changes(self, *, delete: bool) -> Iterator[Change]:
        """Yield what apply will do: deletions if ``delete``, updates, creations."""

    def apply(self, at: datetime, *, delete: bool, history: int | None) -> Effect:
        """Write the changes and the payment totals of the patients concerned, and return the effect.

        Args:
            delete: for payments only; patients without an incoming row are deleted by ``Departures``.
            history: the id of the sync under which the rows that are updated and deleted are kept as they were before;
                None to keep none.
        """

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

    @property
    def departures(self) -> Departures:
        """The patients who are deleted."""

    @property
    def reversal(self) -> Reversal:
        """What takes back past syncs."""

    def lock(self) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another sync still held the lock after the longest wait allowed.
        """

    def last_started(self) -> datetime | None:
        """Return the ``started_at`` of the last sync; None if there is none."""

    def next_id(self) -> int:
        """Return the id for this sync. Call it once, before anything is applied, and then ``record``.

        An id that isn't recorded may be used up.
        """

    def last(self, model: Model) -> PastSync | None:
        """Return the last sync of the model whose snapshot had a digest; None if there is none.

        Undos and the syncs that they have taken back don't count.
        """

    def last_taken(self, model: Model) -> datetime | None:
        """Return the ``taken_at`` of the last sync of the model that had one; None if there is none.

        Undos and the syncs that they have taken back don't count.
        """

    def held(self, model: Model, digest: str) -> HeldBy | None:
        """Return why a snapshot is held: an undo holds its digest, and no later sync that still counts has it."""

    def keyed(self, key: str) -> KeyedSync | None:
        """Return the sync with this idempotency key, even if it is taken back; None if there is none."""

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
        """Record the sync under its report's id, and the largest id of each model that was stored at ``next_id``.

        Args:
            digests: of the snapshots; a key for each model that was synced.
            taken_at: when the snapshots were taken, aware.
            key: the idempotency key.
            parameters: what was asked for with the key.
            by: the public id of the API key.
            held: the digests of the snapshots that an undo holds; see ``held``.
        """

    def keep_rejections(self, sync_id: int, rejections: Iterable[Rejection]) -> None:
        """Keep the rejected rows of a recorded sync, which has no two of a model with the same row number."""

    def discard(self) -> None:
        """Ensure that the transaction is rolled back."""
