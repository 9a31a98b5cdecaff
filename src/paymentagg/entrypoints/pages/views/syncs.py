"""The pages of past syncs: all of them, and one with what it has changed or rejected."""

from typing import Any

import msgspec
from pyramid.response import Response

from paymentagg.domain.access import Permission
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.history import SyncChangesQuery
from paymentagg.domain.report import Report
from paymentagg.entrypoints.http.cursors import write_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.exports import Table, table_response
from paymentagg.entrypoints.http.parameters.queries import changes_query, rejections_query, sync_id, sync_query
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.change_rows import Difference
from paymentagg.entrypoints.pages.page import change_rows, page
from paymentagg.entrypoints.pages.page_queries import ROWS, link, patient_path, split
from paymentagg.entrypoints.pages.tables import asked_media, changes_of_sync, rejections_of_sync

KINDS = ("created", "updated", "deleted", "rejected")


class SyncRow(msgspec.Struct, frozen=True):
    """A past sync with its counts, of both models together."""

    report: Report
    counts: dict[str, int]

    @property
    def changes(self) -> int:
        """How many rows it has changed."""
        return sum(number for kind, number in self.counts.items() if kind != "rejected")


def row(report: Report) -> SyncRow:
    """Return the sync with its counts."""
    return SyncRow(report, {kind: sum(getattr(part, kind) for part in report.models.values()) for kind in KINDS})


def list_syncs(request: Request) -> Response:
    """Show a page of the past syncs that the client may see, newest first."""
    query = msgspec.structs.replace(sync_query(request.query_string), limit=ROWS)
    found = request.syncs.page(before=query.after, limit=ROWS, by=request.principal.syncs_of)
    request.trail.read(len(found.items))
    return page(
        request,
        "syncs.jinja2",
        syncs=[row(report) for report in found.items],
        next_page=link(request, after=write_cursor(query, (found.items[-1].id,))) if found.more else None,
        is_first=query.after is None,
    )


def show_sync(request: Request) -> Response:
    """Show one sync: what it has changed, to those who may read rows, or what it has rejected.

    Raises:
        NotFound: there is no such sync that the client may see.
        InvalidParameter: a parameter is unknown or invalid.
    """
    sync = sync_id(request.matchdict["id"])
    rest, own = split(request.query_string, "show", "format")
    media = asked_media(own.get("format"))
    may_read = request.principal.may(Permission.READ)
    show = own.get("show", "changes" if may_read else "rejected")
    if show not in ("changes", "rejected"):
        raise InvalidParameter("show", "must be changes or rejected")
    found = request.syncs.get(sync, by=request.principal.syncs_of).items
    if not found:
        raise NotFound
    report = found[0]
    if media is not None:
        return table_response(request, media, _table(request, sync, rest, show if may_read else "rejected"), bom=True)
    content = _changes(request, sync, rest) if show == "changes" and may_read else _rejections(request, sync, rest)
    return page(
        request,
        "sync.jinja2",
        sync=row(report),
        show=show,
        may_read=may_read,
        exports=[("Excel", link(request, ("after",), format="xlsx")), ("CSV", link(request, ("after",), format="csv"))],
        may_undo=request.principal.may(Permission.UNDO) and report.changed and report.undoes is msgspec.UNSET,
        undoes=None if report.undoes is msgspec.UNSET else report.undoes,
        erased=None if report.history_erased is msgspec.UNSET else report.history_erased,
        patient_path=patient_path,
        address=lambda **changed: link(request, ("after",), **changed),
        **content,
    )


def _table(request: Request, sync: int, query_string: str, show: str) -> Table:
    reader = request.database.data_reader()  # the request's is closed before the last rows are sent
    if show == "changes":
        return changes_of_sync(reader, changes_query(sync, query_string))
    return rejections_of_sync(reader, rejections_query(sync, query_string), request.principal.syncs_of)


def _changes(request: Request, sync: int, query_string: str) -> dict[str, Any]:
    query = msgspec.structs.replace(changes_query(sync, query_string), limit=ROWS)
    found = request.history.of_sync(query)
    if found is None:
        raise NotFound
    request.trail.read(len(found.items))
    differences = [*map(Difference.of_past, found.items)]
    last = found.items[-1] if found.more else None
    return {
        "query": query,
        "changes": change_rows(request, differences),
        "rejections": [],
        "next_page": link(request, after=write_cursor(query, last.position)) if last else None,
        "is_first": query.after is None,
    }


def _rejections(request: Request, sync: int, query_string: str) -> dict[str, Any]:
    query = msgspec.structs.replace(rejections_query(sync, query_string), limit=ROWS)
    found = request.syncs.rejections(query, by=request.principal.syncs_of)
    if found is None:
        raise NotFound
    request.trail.read(len(found.items))
    last = found.items[-1] if found.more else None
    return {
        "query": SyncChangesQuery(sync, query.model),
        "changes": [],
        "rejections": found.items,
        "next_page": link(request, after=write_cursor(query, (last.model, last.row))) if last else None,
        "is_first": query.after is None,
    }
