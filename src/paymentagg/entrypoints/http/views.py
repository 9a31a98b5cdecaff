"""The views of the API: parse the request, call the domain, build the response."""

import logging
import re
from datetime import UTC, datetime
from typing import TypeVar

from pyramid.response import Response

from paymentagg.domain.queries import Page, PatientView, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import AlreadyDone, Snapshots, Terms, synchronize
from paymentagg.domain.text import INVALID_TEXT, MAX_TEXT
from paymentagg.entrypoints.http.cursors import write_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.query_params import no_parameters, patient_query, payment_query, sync_query, sync_terms
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import (
    CSV,
    JSON,
    NDJSON,
    accepted,
    exported,
    listed,
    reported,
    single,
    unmodified,
)
from paymentagg.entrypoints.http.uploads import sent_parts, sent_snapshot
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments

log = logging.getLogger(__name__)

T = TypeVar("T")

_SYNC_ID = re.compile(r"[1-9][0-9]{0,17}")


def list_patients(request: Request) -> Response:
    """Return a page of patients as JSON, or all of them as NDJSON or CSV."""
    media = accepted(request, JSON, NDJSON, CSV)
    query = patient_query(request.query_string, paged=media == JSON)
    if unchanged := unmodified(request, media):
        return unchanged
    if media != JSON:
        return exported(request, media, PatientView, lambda export: export.patients(query))
    return listed(request, request.patients.page(query), lambda last: write_cursor(query, query.sort.of(last)))


def list_payments(request: Request) -> Response:
    """Return a page of payments as JSON, or all of them as NDJSON or CSV."""
    media = accepted(request, JSON, NDJSON, CSV)
    query = payment_query(request.query_string, paged=media == JSON)
    if query.patient_id is not None:
        request.trail.of_patient(query.patient_id)
    if unchanged := unmodified(request, media):
        return unchanged
    if media != JSON:
        return exported(request, media, PaymentView, lambda export: export.payments(query))
    return listed(request, request.payments.page(query), lambda last: write_cursor(query, (last.id,)))


def get_patient(request: Request) -> Response:
    """Return one patient; raise NotFound if it isn't stored."""
    media = accepted(request, JSON)
    no_parameters(request.query_string)
    external_id = request.matchdict["externalId"]
    if len(external_id) > MAX_TEXT or INVALID_TEXT.search(external_id):
        raise NotFound
    request.trail.of_patient(external_id)
    if unchanged := unmodified(request, media):
        return unchanged
    return _only(request, request.patients.get(external_id))


def list_syncs(request: Request) -> Response:
    """Return a page of the reports of past syncs that the client may see, newest first."""
    accepted(request, JSON)
    query = sync_query(request.query_string)
    page = request.syncs.page(before=query.after, limit=query.limit, by=request.principal.syncs_of)
    return listed(request, page, lambda last: write_cursor(query, (last.id,)))


def get_sync(request: Request) -> Response:
    """Return the report of one sync; raise NotFound if there is none that the client may see."""
    accepted(request, JSON)
    no_parameters(request.query_string)
    if not _SYNC_ID.fullmatch(request.matchdict["id"]):
        raise NotFound
    return _only(request, request.syncs.get(int(request.matchdict["id"]), by=request.principal.syncs_of))


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


def _terms(request: Request) -> Terms:
    return sync_terms(
        request.path_info, request.query_string, request.headers, request.limits.deletion, request.principal
    )


def _only(request: Request, page: Page[T]) -> Response:
    if not page.items:
        raise NotFound
    return single(request, page)


def _synchronized(request: Request, snapshots: Snapshots, terms: Terms) -> Response:
    request.trail.begin("dry-run" if terms.dry_run else "sync")
    try:
        report = synchronize(request.storage, snapshots, terms, lambda: datetime.now(UTC), request.trail)
    except AlreadyDone as done:
        request.trail.synced(done.report, replayed=True)
        return reported(done.report, replayed=True)
    request.trail.synced(report)
    if report.dry_run:
        _log(True, report)
    else:
        request.tm.get().addAfterCommitHook(_log, (report,))  # log a sync only after its commit
    return reported(report)


def _log(done: bool, report: Report) -> None:
    """Log the counts of a committed sync; ids, names and amounts stay out of logs."""
    if done:
        counts = "; ".join(f"{model.plural}: {part}" for model, part in report.models.items())
        seconds = (report.finished_at - report.started_at).total_seconds()
        log.info("sync %s: %s; %.1f s", report.id or "(dry run)", counts, seconds)
