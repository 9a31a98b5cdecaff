"""The views of past syncs."""

from pyramid.response import Response

from paymentagg.entrypoints.http.cursors import write_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.parameters.queries import no_filters, rejections_query, sync_id, sync_query
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON, accepted, listed, only


def list_syncs(request: Request) -> Response:
    """Return a page of the reports of past syncs that the client may see, newest first."""
    accepted(request, JSON)
    query = sync_query(request.query_string)
    page = request.syncs.page(before=query.after, limit=query.limit, by=request.principal.syncs_of)
    return listed(request, page, lambda last: write_cursor(query, (last.id,)))


def get_sync(request: Request) -> Response:
    """Return the report of one sync; raise NotFound if there is none that the client may see."""
    accepted(request, JSON)
    no_filters(request.query_string)
    sync = sync_id(request.matchdict["id"])
    return only(request, request.syncs.get(sync, by=request.principal.syncs_of))


def list_rejections(request: Request) -> Response:
    """Return a page of the rows that one sync rejected, by model and row number.

    Raises:
        NotFound: there is no such sync that the client may see.
    """
    accepted(request, JSON)
    sync = sync_id(request.matchdict["id"])
    query = rejections_query(sync, request.query_string)
    page = request.syncs.rejections(query, by=request.principal.syncs_of)
    if page is None:
        raise NotFound
    return listed(request, page, lambda last: write_cursor(query, (last.model, last.row)))
