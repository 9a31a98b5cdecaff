"""The views that synchronise the stored rows with the snapshots in a body, and the one that takes a sync back."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from pyramid.response import Response

from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import AlreadyDone, Snapshots, Terms
from paymentagg.domain.undo import undo
from paymentagg.entrypoints.http.metrics.counters import SyncRequest
from paymentagg.entrypoints.http.parameters.queries import sync_id, sync_terms, undo_terms
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import reported
from paymentagg.entrypoints.http.uploads import sent_parts, sent_snapshot
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments
from paymentagg.entrypoints.sync_log import log_done


def sync_patients(request: Request) -> Response:
    """Sync the patients with the snapshot in the body and return the report."""
    request.take_sync_slot()
    terms = _terms(request)
    upload = sent_snapshot(request)
    return _synchronized(request, Snapshots(patients=read_patients(upload.stream, upload.reading)), terms)


def sync_payments(request: Request) -> Response:
    """Sync the payments with the snapshot in the body and return the report."""
    request.take_sync_slot()
    terms = _terms(request)
    upload = sent_snapshot(request)
    return _synchronized(request, Snapshots(payments=read_payments(upload.stream, upload.reading)), terms)


def sync_both(request: Request) -> Response:
    """Sync patients, payments or both from the parts of the body, in one transaction; return the report."""
    request.take_sync_slot()
    terms = _terms(request)
    parts = sent_parts(request)
    patients, payments = parts.get("patients"), parts.get("payments")
    snapshots = Snapshots(
        patients=read_patients(patients.stream, patients.reading) if patients else None,
        payments=read_payments(payments.stream, payments.reading) if payments else None,
    )
    return _synchronized(request, snapshots, terms)


def undo_sync(request: Request) -> Response:
    """Take back the sync in the path, as a sync of its own, and return the report.

    Raises:
        NotFound: there is no such sync.
    """
    request.take_sync_slot()
    terms = _terms(request, undo_terms)
    sync = sync_id(request.matchdict["id"])
    return _done(request, "undo", terms, lambda: undo(request.storage, sync, terms, _now))


def _terms(request: Request, read: Callable[..., Terms] = sync_terms) -> Terms:
    settings = request.limits
    asked = read(request.path_info, request.query_string, request.headers, settings.deletion, request.principal)
    return msgspec.structs.replace(asked, keep_history=settings.history_days > 0)


def _synchronized(request: Request, snapshots: Snapshots, terms: Terms) -> Response:
    return _done(request, "sync", terms, lambda: synchronize(request.storage, snapshots, terms, _now, request.trail))


def _done(request: Request, kind: str, terms: Terms, run: Callable[[], Report]) -> Response:
    """Run a sync or an undo, between its lines in the audit log, and return its report."""
    counted = request.sync = SyncRequest("dry-run" if terms.dry_run else kind)
    request.trail.begin(counted.kind)
    try:
        report = run()
    except AlreadyDone as done:
        request.trail.synced(done.report, replayed=True)
        counted.is_replay = True
        return reported(done.report, replayed=True)
    request.trail.synced(report)
    counted.report = report
    if report.dry_run:
        log_done(report)
    else:
        request.tm.get().addAfterCommitHook(_log_committed, (report,))  # log a sync only after its commit
    return reported(report)


def _now() -> datetime:
    return datetime.now(UTC)


def _log_committed(done: bool, report: Report) -> None:
    if done:
        log_done(report)
