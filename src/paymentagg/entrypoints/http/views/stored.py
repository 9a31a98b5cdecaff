"""The views of the stored patients and payments."""

import msgspec
from pyramid.response import Response

from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.entrypoints.http.cursors import write_cursor
from paymentagg.entrypoints.http.exports import exported
from paymentagg.entrypoints.http.parameters.queries import external_id, no_filters, patient_query, payment_query
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import CSV, JSON, NDJSON, XLSX, accepted, listed, only, unmodified


def list_patients(request: Request) -> Response:
    """Return a page of patients as JSON, or all of them as NDJSON, CSV or XLSX."""
    media = accepted(request, JSON, NDJSON, CSV, XLSX)
    query = patient_query(request.query_string, paged=media == JSON, csv=media == CSV)
    if unchanged := unmodified(request, media):
        return unchanged
    if media != JSON:
        return exported(request, media, PatientView, lambda export: export.patients(query))
    page = request.patients.page(msgspec.structs.replace(query, sum=False))  # no response has the sum
    return listed(request, page, lambda last: write_cursor(query, query.sort.of(last)))


def list_payments(request: Request) -> Response:
    """Return a page of payments as JSON, or all of them as NDJSON, CSV or XLSX."""
    media = accepted(request, JSON, NDJSON, CSV, XLSX)
    query = payment_query(request.query_string, paged=media == JSON, csv=media == CSV)
    if query.patient_id is not None:
        request.trail.of_patient(query.patient_id)
    if unchanged := unmodified(request, media):
        return unchanged
    if media != JSON:
        return exported(request, media, PaymentView, lambda export: export.payments(query))
    return listed(request, request.payments.page(query), lambda last: write_cursor(query, (last.id,)))


def get_payment(request: Request) -> Response:
    """Return one payment; raise NotFound if it isn't stored. The audit log notes whose it is."""
    accepted(request, JSON)
    no_filters(request.query_string)
    sought = external_id(request.matchdict["externalId"])
    page = request.payments.get(sought)
    for payment in page.items:
        request.trail.of_patient(payment.patient_id)
    return only(request, page)


def get_patient(request: Request) -> Response:
    """Return one patient; raise NotFound if it isn't stored."""
    media = accepted(request, JSON)
    no_filters(request.query_string)
    sought = external_id(request.matchdict["externalId"])
    request.trail.of_patient(sought)
    if unchanged := unmodified(request, media):
        return unchanged
    return only(request, request.patients.get(sought))
