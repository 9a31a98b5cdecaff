"""The views of what past syncs have changed."""

from pyramid.response import Response

from paymentagg.domain.model import Model
from paymentagg.entrypoints.http.cursors import write_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.parameters.queries import changes_query, history_query, sync_id
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON, accepted, listed


def list_changes(request: Request) -> Response:
    """Return a page of the changes of one sync, by model and row id; raise NotFound if there is no such sync."""
    accepted(request, JSON)
    sync = sync_id(request.matchdict["id"])
    query = changes_query(sync, request.query_string)
    page = request.history.of_sync(query)
    if page is None:
        raise NotFound
    return listed(request, page, lambda last: write_cursor(query, last.position))


def show_history(request: Request) -> Response:
    """Return a page of the changes of one payment, or of one patient and their payments, newest first."""
    accepted(request, JSON)
    query = history_query(request.query_string)
    if query.model is Model.PATIENT:
        request.trail.of_patient(query.external_id)
    page = request.history.of_row(query)
    return listed(request, page, lambda last: write_cursor(query, (last.sync, *last.position)))
