"""The use case: make the stored rows equal to a snapshot.

Three steps: gather (stage the rows, pair each with its stored twin), decide (``diff``, the deletion guard), apply.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from paymentagg.domain.changes import Change, Effect, Rejection, check_effect, diff
from paymentagg.domain.errors import (
    HeldSnapshot,
    IdempotencyMismatch,
    Loss,
    PreviewOutdated,
    RejectedRows,
    StaleSnapshot,
)
from paymentagg.domain.listener import Listener, Phase
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import PastSync, Replica, Snapshot, Storage
from paymentagg.domain.report import ModelReport, Rejections, Report
from paymentagg.domain.snapshot_reader import SnapshotReader
from paymentagg.domain.terms import AlreadyDone, Snapshots, Terms


def synchronize(
    storage: Storage,
    snapshots: Snapshots,
    terms: Terms,
    clock: Callable[[], datetime],
    listener: Listener | None = None,
) -> Report:
    """Synchronise one or both models, patients first, and return the report.

    Patients are deleted last, so a payment that moves from one who goes to one who stays is updated.

    Args:
        clock: returns the present time, aware, in UTC.

    Raises:
        SyncInProgress: another sync is running.
        PreviewOutdated: what the terms say that a preview has seen has changed since.
        AlreadyDone: this sync was already done with the same idempotency key.
        IdempotencyMismatch: the idempotency key was used with other snapshots or parameters.
        HeldSnapshot: a sync with the same snapshot was undone, and this one isn't forced.
        StaleSnapshot: a snapshot was taken before the last one that was applied to its model.
        InvalidSnapshot, SnapshotTooLarge: a snapshot can't be read whole.
        DeletionRefused: more rows would be deleted than the limit allows.
        RejectedRows: the sync is strict and a row was rejected.
    """
    listener = listener or Listener()
    started = begin(storage, terms, clock, listener)
    payments_follow = snapshots.payments is not None
    sync = _Sync(storage, terms, started, listener, payments_follow=payments_follow)
    if terms.key is not None and not terms.dry_run:
        sync.check_idempotency(terms.key, snapshots)
    if snapshots.patients is not None:
        sync.run(Model.PATIENT, storage.patients, snapshots.patients)
    if snapshots.payments is not None:
        sync.run(Model.PAYMENT, storage.payments, snapshots.payments)
    sync.delete_patients()
    sync.check_previewed()
    report = sync.report(started, max(started, clock()))
    if terms.strict and report.rejected:
        report.refused = True
        raise RejectedRows(report)
    if terms.dry_run:
        storage.discard()
    else:
        asked = {"key": terms.key, "parameters": terms.parameters, "by": terms.by}
        report.id = sync.id
        storage.record(report, sync.digests, taken_at=terms.taken_at, **asked, held={})
        if terms.keep_history:
            storage.keep_rejections(sync.id, sync.rejections.kept)
    return report


def begin(storage: Storage, terms: Terms, clock: Callable[[], datetime], listener: Listener) -> datetime:
    """Take the lock, and return the time at which a sync or an undo starts.

    It is later than the last one's, so that it identifies the rows of the sync.

    Raises:
        SyncInProgress: another sync is running.
        PreviewOutdated: the last sync isn't the one that the preview has seen.
    """
    storage.lock()
    last = storage.last_started()
    listener.began(last)
    if terms.previewed is not None and terms.previewed.last_started != last:
        raise PreviewOutdated
    return clock() if last is None else max(clock(), last + timedelta(microseconds=1))


class _Sync:
    """The state of a running sync: the counts, rejections and digests so far."""

    def __init__(
        self, storage: Storage, terms: Terms, at: datetime, listener: Listener, *, payments_follow: bool
    ) -> None:
        self.storage = storage
        self.terms = terms
        self.at = at
        self.listener = listener
        self.payments_follow = payments_follow
        self.rejections = Rejections()
        self.parts: dict[Model, ModelReport] = {}
        self.digests: dict[Model, str | None] = {}
        self.losses: list[Loss] = []
        self._id: int | None = None
        self.lost = 0  # payments deleted along with their patients; they are added to the report of payments at the end

    @property
    def id(self) -> int:
        """The id of the sync, taken when it is first needed: most refused syncs don't use one up."""
        if self._id is None:
            self._id = self.storage.next_id()
        return self._id

    @property
    def _history(self) -> int | None:
        """The id under which rows are kept before they are updated and deleted; None if they aren't kept."""
        sync_id = None if self.terms.dry_run else self.id  # taken in any case: storage notes the largest ids with it
        return sync_id if self.terms.keep_history else None

    def check_idempotency(self, key: str, snapshots: Snapshots) -> None:
        """Check that no sync was done with this idempotency key.

        Raises:
            AlreadyDone: these snapshots were synchronised with it, with the same parameters.
            IdempotencyMismatch: others were, or with other parameters.
        """
        for model, snapshot in ((Model.PATIENT, snapshots.patients), (Model.PAYMENT, snapshots.payments)):
            if snapshot is not None:
                self._identify(model, snapshot.digest())
        past = self.storage.keyed(key)
        if past is not None:
            if past.digests != self.digests or past.parameters not in (None, self.terms.parameters):
                raise IdempotencyMismatch
            raise AlreadyDone(past.report)

    def run(self, model: Model, replica: Replica[RecordT], snapshot: Snapshot[RecordT]) -> None:
        """Gather, decide and apply for one model; skip all three if the snapshot is known to equal the stored rows.

        Patients are only marked as leaving here; ``delete_patients`` deletes them.
        """
        self._check_order(model)
        if model not in self.digests:  # not earlier: a snapshot from a pipe may not have been sent yet
            self._identify(model, snapshot.digest())
        if not self.terms.force and (past := self._recognised(model)) is not None:
            self.parts[model] = ModelReport(rows=past.part.rows, unchanged=past.part.rows)
            self.listener.recognised(model, past.id)
            return
        self._check_held(model)
        part = self.parts[model] = ModelReport()
        reader = SnapshotReader(part, self._reject)

        replica.stage(reader.batches(snapshot))
        if self.digests[model] is None:  # it came from a pipe
            self._identify(model, snapshot.digest())
            self._check_held(model)
        self.listener.entered(Phase.COMPARING, model)
        plain = replica.pair()
        replica.settle(self._with_counts(part, diff(model, replica.disputed(), keep_rows=self.listener.wants_rows)))
        part.created += plain.created
        part.updated += plain.updated
        part.deleted += plain.deleted
        part.unchanged = part.rows - part.created - part.updated - part.rejected

        part.deletions_suspended = reader.suspension_reason()
        if part.deletions_suspended:
            part.deleted = 0
        delete = model is Model.PAYMENT and not part.deletions_suspended
        if model is Model.PAYMENT:
            self._check_deletions(part.deleted, delete=delete)
        elif part.deleted:
            self.losses.append(Loss(model, stored=replica.stored(), would_delete=part.deleted))
            self.storage.departures.begin()
            if not self.payments_follow:  # only they say which payments go with these patients, and which move
                self._check_deletions(0, delete=False)

        if self.listener.wants_changes:
            self._tell(replica.changes(delete=delete))
        self.listener.entered(Phase.WRITING, model)
        decided = Effect(part.created, part.updated, part.deleted if delete else 0)
        check_effect(model, decided, replica.apply(self.at, delete=delete, history=self._history))

    def delete_patients(self) -> None:
        """Delete the patients without an incoming row, and the payments that they still have; both were checked."""
        if not self._leaving:
            return
        if self.listener.wants_changes:
            self._tell(self.storage.departures.changes())
        self.listener.entered(Phase.WRITING, Model.PATIENT)
        decided = Effect(deleted=self._leaving, dependents=self.lost)
        check_effect(Model.PATIENT, decided, self.storage.departures.remove(self._history))

    def check_previewed(self) -> None:
        """Check that the snapshots are those that a preview has seen, if there was one.

        Raises:
            PreviewOutdated: they aren't.
        """
        previewed = self.terms.previewed
        if previewed is not None and previewed.digests != self.digests:
            raise PreviewOutdated

    def report(self, started: datetime, finished: datetime) -> Report:
        """Return the report so far, without an id."""
        if self.lost:
            self.parts.setdefault(Model.PAYMENT, ModelReport()).deleted += self.lost
        errors = self.rejections.first
        return Report(
            id=None,
            dry_run=self.terms.dry_run,
            started_at=started,
            finished_at=finished,
            patients=self.parts.get(Model.PATIENT, msgspec.UNSET),
            payments=self.parts.get(Model.PAYMENT, msgspec.UNSET),
            errors=errors,
            errors_omitted=self.rejections.count - len(errors),
        )

    def _identify(self, model: Model, digest: str | None) -> None:
        self.digests[model] = digest
        if digest is None:
            return
        self.listener.identified(model, digest)
        previewed = self.terms.previewed
        if previewed is not None and previewed.digests.get(model) != digest:
            raise PreviewOutdated

    def _check_order(self, model: Model) -> None:
        taken_at = self.terms.taken_at
        last = None if taken_at is None else self.storage.last_taken(model)
        if taken_at is not None and last is not None and taken_at < last:
            raise StaleSnapshot(model, taken_at, last)

    def _check_held(self, model: Model) -> None:
        digest = self.digests[model]
        held = None if digest is None or self.terms.force else self.storage.held(model, digest)
        if held is not None:
            raise HeldSnapshot(model, held.sync_id, held.undone_at)

    def _recognised(self, model: Model) -> PastSync | None:
        """Return the last sync of the model if this is its snapshot again; None if it has to be compared.

        The stored rows equal the last snapshot if none of its rows was rejected and no row has changed since.
        """
        past = self.storage.last(model)
        if past is None or past.digest != self.digests[model] or past.part.rejected or past.changed_since:
            return None
        if any(part.changed for part in self.parts.values()):
            return None
        return past

    @property
    def _leaving(self) -> int:
        """How many patients are deleted."""
        return self.parts[Model.PATIENT].deleted if Model.PATIENT in self.parts else 0

    def _check_deletions(self, missing: int, *, delete: bool) -> None:
        """Check all deletions against the limit: leaving patients, their payments, and the payments missing.

        Raises:
            DeletionRefused: the limit is exceeded.
        """
        if self._leaving:
            self.lost = self.storage.departures.lost(delete=delete)
        if missing + self.lost:
            stored = self.storage.payments.stored()
            self.losses.append(Loss(Model.PAYMENT, stored=stored, would_delete=missing + self.lost))
        for loss in self.losses:
            self.listener.weighed(loss, self.terms.limit.allowed(loss.stored))
        self.terms.limit.check(*self.losses)

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self.listener.changed(change)

    def _with_counts(self, part: ModelReport, changes: Iterable[Change]) -> Iterator[Change]:
        for change in changes:
            part.count(change)
            if isinstance(change, Rejection):
                self._reject(change)
            yield change

    def _reject(self, rejection: Rejection) -> None:
        self.rejections.add(rejection)
        self.listener.rejected(rejection)
