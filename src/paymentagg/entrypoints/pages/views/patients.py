"""The pages of patients: all of them, filtered and sorted, and one of them with payments and history."""

from typing import Any

from pyramid.response import Response

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.history import HistoryQuery
from paymentagg.domain.model import Model, display_name
from paymentagg.domain.queries import Page, PatientView, PaymentQuery, SortKey
from paymentagg.entrypoints.http.cursors import PLACE_IN_HISTORY, read_cursor, write_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.exports import exported
from paymentagg.entrypoints.http.parameters.queries import external_id
from paymentagg.entrypoints.http.parameters.query_string import decoded_pairs
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.change_rows import Difference, row_of
from paymentagg.entrypoints.pages.charts import bins_chart, last_total
from paymentagg.entrypoints.pages.page import page
from paymentagg.entrypoints.pages.page_queries import ROWS, PatientPage, link, patient_page, patient_path, split
from paymentagg.entrypoints.pages.shared import shared
from paymentagg.entrypoints.pages.tables import asked_media
from paymentagg.entrypoints.pages.wording import count
from paymentagg.entrypoints.spreadsheet import MAX_ROWS

BINS = 40
_POSITION = ("after", "before")
_LABELS = {
    "q": "Search name or id",
    "payment_min": "Total from",
    "payments_min": "Total from",
    "payment_max": "Total to",
    "payments_max": "Total to",
}
"""What the form calls the parameters, for the messages about them."""
_COLUMNS = ((SortKey.LAST_NAME, "Name"), (SortKey.EXTERNAL_ID, "Id"), (SortKey.PAYMENT_TOTAL, "Total"))


def list_patients(request: Request) -> Response:
    """Show a page of the patients that match, with their number and sum, and all patients by total.

    An invalid parameter is named above the form, which keeps what was entered.
    """
    try:
        query_string, own = split(request.query_string, "before", "format")
        asked, media = patient_page(query_string, own.get("before")), asked_media(own.get("format"))
    except InvalidParameter as error:
        return _refused(request, error)
    if media is not None:
        return exported(request, media, PatientView, lambda export: export.patients(asked.query), bom=True)
    found = request.patients.page(asked.query)
    request.trail.read(len(found.items))
    latest = request.statistics.latest(1)
    bins = shared(request).kept.bins(request, latest.version, BINS)
    patients = found.items[::-1] if asked.is_backwards else found.items
    return page(
        request,
        "patients.jinja2",
        last_sync=latest.items[0] if latest.items else None,
        error=None,
        entered=dict(decoded_pairs(request.query_string)),
        columns=_columns(request, asked),
        patients=patients,
        number=found.total,
        sum=found.sum,
        all=sum(each.count for each in bins),
        bins=bins,
        totals=bins_chart(bins, asked.query.total),
        last_total=last_total,
        exports=_exports(request, found.total or 0),
        display_name=display_name,
        patient_path=patient_path,
        **_neighbours(request, asked, found, patients),
    )


def _refused(request: Request, error: InvalidParameter) -> Response:
    """Return the page without rows, and with the error."""
    latest = request.statistics.latest(1)
    bins = shared(request).kept.bins(request, latest.version, BINS)
    try:
        entered = dict(decoded_pairs(request.query_string))
    except InvalidParameter:
        entered = {}
    response = page(
        request,
        "patients.jinja2",
        last_sync=latest.items[0] if latest.items else None,
        status=400,
        error=str(error).replace(error.parameter, _LABELS.get(error.parameter, error.parameter), 1),
        entered=entered,
        columns={},
        patients=[],
        number=0,
        sum=None,
        all=sum(each.count for each in bins),
        bins=bins,
        totals=None,
        exports=[],
        last_total=last_total,
        display_name=display_name,
        patient_path=patient_path,
        previous_page=None,
        next_page=None,
    )
    response.problem_code = error.code  # for the audit log
    return response


def _exports(request: Request, number: int) -> list[tuple[str, str]]:
    """Return the links to all patients that match: as Excel too, unless they are too many for it."""
    csv = ("CSV", link(request, _POSITION, format="csv"))
    if number > MAX_ROWS:
        return [(f"CSV (more than {count(MAX_ROWS)} rows, too many for Excel)", csv[1])]
    return [("Excel", link(request, _POSITION, format="xlsx")), csv]


def _columns(request: Request, asked: PatientPage) -> dict[str, dict[str, str]]:
    """Return, for each column that can be sorted by, the link that does so and how it is sorted now."""
    descending = asked.query.descending is not asked.is_backwards
    columns = {}
    for key, title in _COLUMNS:
        is_current = asked.query.sort is key
        down = not descending if is_current else key is SortKey.PAYMENT_TOTAL
        order = ("descending" if descending else "ascending") if is_current else "none"
        columns[title] = {"link": link(request, _POSITION, sort=f"{'-' if down else ''}{key}"), "order": order}
    return columns


def _neighbours(
    request: Request, asked: PatientPage, found: Page[PatientView], patients: list[PatientView]
) -> dict[str, Any]:
    """Return the links to the pages before and after this one."""
    has_next = bool(patients) and (asked.is_backwards or found.more)
    has_previous = bool(patients) and (found.more if asked.is_backwards else asked.query.after is not None)
    return {
        "previous_page": link(request, _POSITION, before=asked.position(patients[0], backwards=True))
        if has_previous
        else None,
        "next_page": link(request, _POSITION, after=asked.position(patients[-1], backwards=False))
        if has_next
        else None,
    }


def show_patient(request: Request) -> Response:
    """Show one patient with their payments, by id, and the changes of both, newest first.

    Raises:
        NotFound: there is no such patient.
        InvalidParameter: a parameter is unknown or invalid.
    """
    rest, own = split(request.query_string, "after", "changed_after")
    if rest:
        raise InvalidParameter(decoded_pairs(rest)[0][0], "is not a known parameter here")
    sought = external_id(request.matchdict["externalId"])
    request.trail.of_patient(sought)
    payments, history = PaymentQuery(sought, limit=ROWS), HistoryQuery(Model.PATIENT, sought, limit=ROWS)
    found = request.patients.get(sought).items
    if not found:
        raise NotFound
    after = read_cursor(payments, own["after"])[0] if "after" in own else None
    changed_after = (
        read_cursor(history, own["changed_after"], shape=PLACE_IN_HISTORY) if "changed_after" in own else None
    )
    paid = request.payments.page(PaymentQuery(sought, after=after, limit=ROWS))
    changed = request.history.of_row(HistoryQuery(Model.PATIENT, sought, after=changed_after, limit=ROWS))
    request.trail.read(1 + len(paid.items) + len(changed.items))
    patient = found[0]
    last = changed.items[-1] if changed.more else None
    return page(
        request,
        "patient.jinja2",
        patient=patient,
        name=display_name(patient.first_name, patient.last_name, patient.middle_name),
        payments=paid.items,
        changes=[(change.sync, change.at, row_of(Difference.of_past(change), {})) for change in changed.items],
        more_payments=link(request, after=write_cursor(payments, (paid.items[-1].id,))) if paid.more else None,
        more_changes=link(request, changed_after=write_cursor(history, (last.sync, *last.position))) if last else None,
        is_later=bool(own),
        patient_path=patient_path,
    )
