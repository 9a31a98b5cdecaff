"""The use case: bring the stored rows into the state that a snapshot says.

Gather (stage the rows, put each beside its stored twin), decide (``diff``, the guard), apply.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec

from paymentagg.domain.changes import Change, Rejection, diff
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import IdempotencyMismatch, RejectedRows, StaleSnapshot
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.ports import Batch, Effect, Replica, Snapshot, Storage
from paymentagg.domain.report import ModelReport, Rejections, Report


class Snapshots(msgspec.Struct, frozen=True):
    """The snapshots of one sync: of patients, of payments, or of both."""

    patients: Snapshot[Patient] | None = None
    payments: Snapshot[Payment] | None = None


class Terms(msgspec.Struct, frozen=True):
    """How a sync is to be done."""

    limit: DeletionLimit
    strict: bool = False
    dry_run: bool = False
    force: bool = False
    """Compare the rows even if the snapshot is byte for byte the last one."""
    taken_at: datetime | None = None
    """When the snapshots were taken, aware; None where nobody says."""
    key: str | None = None
    """The idempotency key: a sync that was done under it isn't done again."""
    by: str | None = None
    """The public id of the API key that the sync is done with; None where there is none."""


class AlreadyDone(Exception):
    """The same snapshots were synchronised under the same idempotency key; ``report`` is that sync's. No error."""

    def __init__(self, report: Report) -> None:
        super().__init__("done before under the same idempotency key")
        self.report = report


class Listener:
    """Hears of digests, every rejected row, and every change where ``wants_changes``. Override what matters."""

    wants_changes = False

    def identified(self, model: Model, digest: str) -> None:
        """Hear which snapshot it is."""

    def rejected(self, rejection: Rejection) -> None:
        """Hear of a row that was not taken."""

    def changed(self, change: Change) -> None:
        """Hear of a row that is created, updated or deleted."""


def synchronize(
    storage: Storage,
    snapshots: Snapshots,
    terms: Terms,
    clock: Callable[[], datetime],
    listener: Listener | None = None,
) -> Report:
    """Synchronise one or both models, patients first, and return the report.

    Args:
        clock: returns the present time, aware, in UTC.

    Raises:
        SyncInProgress: another sync is running.
        AlreadyDone: it was done before under the same idempotency key.
        IdempotencyMismatch: something else was.
        StaleSnapshot: a snapshot was taken before the last one that was applied to its model.
        InvalidSnapshot, SnapshotTooLarge: a snapshot can't be read whole.
        DeletionRefused: the guard.
        RejectedRows: the sync is strict and a row was rejected.
    """
    storage.lock()
    started = clock()
    sync = _Sync(storage, terms, started, listener or Listener())
    if terms.key is not None:
        sync.recognize(terms.key, snapshots)
    if snapshots.patients is not None:
        sync.run(Model.PATIENT, storage.patients, snapshots.patients)
    if snapshots.payments is not None:
        sync.run(Model.PAYMENT, storage.payments, snapshots.payments)
    report = sync.report(started, clock())
    if terms.strict and report.rejected:
        raise RejectedRows(report)
    if terms.dry_run:
        storage.discard()
    else:
        report.id = storage.record(report, sync.digests, taken_at=terms.taken_at, key=terms.key, by=terms.by)
    return report


class _Sync:
    """One sync under way: what it has counted so far."""

    def __init__(self, storage: Storage, terms: Terms, at: datetime, listener: Listener) -> None:
        self.storage = storage
        self.terms = terms
        self.at = at
        self.listener = listener
        self.rejections = Rejections()
        self.parts: dict[Model, ModelReport] = {}
        self.digests: dict[Model, str | None] = {}
        self.lost = 0  # payments deleted along with their patients

    def recognize(self, key: str, snapshots: Snapshots) -> None:
        """Stop where these snapshots, or others, were synchronised under the same key."""
        for model, snapshot in ((Model.PATIENT, snapshots.patients), (Model.PAYMENT, snapshots.payments)):
            if snapshot is not None:
                self._identify(model, snapshot.digest())
        past = self.storage.keyed(key)
        if past is not None:
            if past.digests != self.digests:
                raise IdempotencyMismatch
            raise AlreadyDone(past.report)

    def run(self, model: Model, replica: Replica[RecordT], snapshot: Snapshot[RecordT]) -> None:
        """Gather, decide and apply for one model, unless the snapshot is known to say what is stored."""
        self._check_order(model)
        if model not in self.digests:  # not before its turn: a snapshot from a pipe may not be there yet
            self._identify(model, snapshot.digest())
        if not self.terms.force and (rows := self._known_rows(model)) is not None:
            self.parts[model] = ModelReport(rows=rows, unchanged=rows)
            return
        part = self.parts[model] = ModelReport()
        intake = _Intake(part, self._reject)

        replica.stage(intake.watch(snapshot))
        plain = replica.pair()
        replica.settle(self._counted(part, diff(model, replica.disputed())))
        part.created += plain.created
        part.updated += plain.updated
        part.deleted += plain.deleted
        part.unchanged = part.rows - part.created - part.updated - part.rejected

        part.deletions_suspended = intake.suspension()
        if part.deletions_suspended:
            part.deleted = 0
        dependents = plain.dependents if part.deleted else 0
        self._guard(model, replica, part.deleted, dependents)
        self.lost += dependents

        if self.listener.wants_changes:
            for change in replica.changes(delete=not part.deletions_suspended):
                self.listener.changed(change)
        decided = Effect(part.created, part.updated, part.deleted, dependents)
        done = replica.apply(self.at, delete=not part.deletions_suspended)
        if done != decided:
            raise RuntimeError(f"{model}: decided {decided}, but done {done}")

    def report(self, started: datetime, finished: datetime) -> Report:
        """Return the report so far, without an id."""
        if self.lost:
            self.parts.setdefault(Model.PAYMENT, ModelReport()).deleted += self.lost
        return Report(
            id=None,
            dry_run=self.terms.dry_run,
            started_at=started,
            finished_at=finished,
            patients=self.parts.get(Model.PATIENT, msgspec.UNSET),
            payments=self.parts.get(Model.PAYMENT, msgspec.UNSET),
            errors=self.rejections.first,
            errors_omitted=self.rejections.count - len(self.rejections.first),
        )

    def _identify(self, model: Model, digest: str | None) -> None:
        self.digests[model] = digest
        if digest is not None:
            self.listener.identified(model, digest)

    def _check_order(self, model: Model) -> None:
        taken_at = self.terms.taken_at
        last = None if taken_at is None else self.storage.last_taken(model)
        if taken_at is not None and last is not None and taken_at < last:
            raise StaleSnapshot(model, taken_at, last)

    def _known_rows(self, model: Model) -> int | None:
        """Return how many rows the snapshot has if it is the last one again, None if it has to be compared.

        What is stored is what the last one said if that was taken whole, and nothing has changed since.
        """
        past = self.storage.last(model)
        if past is None or past.digest != self.digests[model] or past.part.rejected or past.changed_since:
            return None
        if any(part.changed for part in self.parts.values()):
            return None
        return past.part.rows

    def _guard(self, model: Model, replica: Replica[RecordT], deleted: int, dependents: int) -> None:
        """Hold what is deleted against the limit: payments count together, however they come to be deleted."""
        if model is Model.PAYMENT:
            deleted += self.lost
        if deleted:
            stored = replica.stored() + (self.lost if model is Model.PAYMENT else 0)
            self.terms.limit.check(model, stored=stored, would_delete=deleted)
        if dependents:
            stored = self.storage.payments.stored()
            self.terms.limit.check(Model.PAYMENT, stored=stored, would_delete=dependents)

    def _counted(self, part: ModelReport, changes: Iterable[Change]) -> Iterator[Change]:
        for change in changes:
            part.count(change)
            if isinstance(change, Rejection):
                self._reject(change)
            yield change

    def _reject(self, rejection: Rejection) -> None:
        self.rejections.add(rejection)
        self.listener.rejected(rejection)


class _Intake:
    """Counts the rows of a snapshot as they pass by on their way to the replica."""

    def __init__(self, part: ModelReport, reject: Callable[[Rejection], None]) -> None:
        self._part = part
        self._reject = reject
        self._unreadable = False

    def watch(self, snapshot: Snapshot[RecordT]) -> Iterator[Batch[RecordT]]:
        for batch in snapshot:
            self._part.rows += len(batch.records) + len(batch.rejections)
            self._part.rejected += len(batch.rejections)
            for rejection in batch.rejections:
                self._unreadable |= rejection.external_id is None
                self._reject(rejection)
            yield batch

    def suspension(self) -> str | None:
        """Return why this snapshot can't say what is gone, None if it can. Asked when all rows are decided."""
        if self._unreadable:
            return "unreadable-external-id"
        if 2 * self._part.rejected > self._part.rows:
            return "mostly-rejected"
        return None
