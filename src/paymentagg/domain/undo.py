"""The use case: take back the latest sync that changed something, so that all rows are as they were before it."""

from collections.abc import Callable
from datetime import datetime

import msgspec

from paymentagg.domain.changes import Effect, check_effect
from paymentagg.domain.errors import IdempotencyMismatch, NotUndoable, SyncNotFound
from paymentagg.domain.listener import Listener
from paymentagg.domain.model import Model
from paymentagg.domain.ports import DoneSync, Storage
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.synchronization import begin
from paymentagg.domain.terms import AlreadyDone, Terms


def undo(
    storage: Storage,
    sync_id: int,
    terms: Terms,
    clock: Callable[[], datetime],
    listener: Listener | None = None,
) -> Report:
    """Take back a sync, as a sync of its own, and return the report: its counts are the inverse of that sync's.

    The snapshots of that sync are refused from then on, unless they are forced. No limit on deletions applies.

    Args:
        terms: only ``dry_run``, ``key``, ``parameters``, ``by``, ``keep_history`` and ``previewed`` are used.
        clock: returns the present time, aware, in UTC.
        listener: hears only that the undo ``began``.

    Raises:
        SyncInProgress: another sync is running.
        PreviewOutdated: the last sync isn't the one that the preview has seen.
        SyncNotFound: no sync has this id.
        NotUndoable: it isn't the latest sync that changed something, or its history is gone.
        AlreadyDone: this was already done with the same idempotency key.
        IdempotencyMismatch: the idempotency key was used for something else.
    """
    started = begin(storage, terms, clock, listener or Listener())
    if terms.key is not None and not terms.dry_run:
        _check_idempotency(storage, terms.key, sync_id, terms.parameters)
    done = storage.reversal.find(sync_id)
    latest = storage.reversal.latest()
    if done is None:
        raise SyncNotFound(sync_id, latest)
    _check(done, latest)

    undo_id = None if terms.dry_run else storage.next_id()
    effects = storage.reversal.run(done, history=undo_id if terms.keep_history else None)
    parts = {model: part for model, part in done.report.models.items() if part.changed}
    for model, part in parts.items():
        check_effect(model, Effect(part.deleted, part.updated, part.created), effects[model])
    report = Report(
        id=undo_id,
        dry_run=terms.dry_run,
        started_at=started,
        finished_at=max(started, clock()),
        patients=_inverse(parts.get(Model.PATIENT)),
        payments=_inverse(parts.get(Model.PAYMENT)),
        undoes=sync_id,
    )
    if terms.dry_run:
        storage.discard()
    else:
        asked = {"key": terms.key, "parameters": terms.parameters, "by": terms.by}
        storage.record(report, {}, taken_at=None, **asked, held=_held(done))
    return report


def _check_idempotency(storage: Storage, key: str, sync_id: int, parameters: str | None) -> None:
    past = storage.keyed(key)
    if past is not None:
        if past.report.undoes != sync_id or past.parameters not in (None, parameters):
            raise IdempotencyMismatch
        raise AlreadyDone(past.report)


def _check(done: DoneSync, latest: int | None) -> None:
    """Check that a sync can be taken back.

    Raises:
        NotUndoable: it can't.
    """
    report = done.report
    sync_id = report.id or 0
    if report.undoes is not msgspec.UNSET:
        raise NotUndoable(sync_id, f"it is itself the undo of sync {report.undoes}", latest)
    if done.undone_by is not None:
        raise NotUndoable(sync_id, f"sync {done.undone_by} has taken it back already", latest)
    if not report.changed:
        raise NotUndoable(sync_id, "it changed nothing", latest)
    if sync_id != latest:
        raise NotUndoable(sync_id, "later syncs have changed rows too, and the last one goes first", latest)
    kept = (done.kept.get(model, Effect()) for model in report.models)
    if done.last_ids is None or any(
        (part.updated, part.deleted) != (rows.updated, rows.deleted + rows.dependents)
        for part, rows in zip(report.models.values(), kept, strict=True)
    ):
        reason = "paymentagg.history_days was 0, or they were erased"
        if done.last_ids is None:
            reason = "a former version did it"
        why = f"the rows that it changed aren't kept: {reason}; sync the right snapshot instead"
        raise NotUndoable(sync_id, why, None)


def _held(done: DoneSync) -> dict[Model, str]:
    """Return the digests of the snapshots that changed rows by themselves.

    Payments that went with their patients don't count if they were in the snapshot: there, each is a rejected row. If
    more went, some were missing in it, and it would delete them alone too.
    """
    held = {}
    for model, digest in done.digests.items():
        part, kept = done.report.models[model], done.kept.get(model, Effect())
        if part.created or kept.updated or kept.deleted or kept.dependents > part.rejected:
            held[model] = digest
    return held


def _inverse(part: ModelReport | None) -> ModelReport | msgspec.UnsetType:
    if part is None:
        return msgspec.UNSET
    return ModelReport(
        rows=part.deleted + part.updated, created=part.deleted, updated=part.updated, deleted=part.created
    )
