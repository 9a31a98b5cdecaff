"""The pages of an upload: choose files, see what they would change, apply that. An undo has the last two steps."""

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from paymentagg.domain.access import Permission
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import InvalidParameter, PaymentAggError
from paymentagg.domain.history import ChangeKind, SyncChangesQuery
from paymentagg.domain.model import Model
from paymentagg.domain.money import from_cents
from paymentagg.entrypoints.http.exports import table_response
from paymentagg.entrypoints.http.parameters.queries import no_parameters, sync_id
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.browser_sessions import owner_of
from paymentagg.entrypoints.pages.change_rows import ChangeRow, Difference, inverse_of
from paymentagg.entrypoints.pages.forms import read_form
from paymentagg.entrypoints.pages.page import change_rows, page
from paymentagg.entrypoints.pages.page_queries import ROWS, patient_path, split
from paymentagg.entrypoints.pages.shared import shared
from paymentagg.entrypoints.pages.tables import asked_media, batched, changes_of_preview, rejections
from paymentagg.entrypoints.pages.upload_form import read_upload
from paymentagg.entrypoints.pages.work.desk import Desk
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.owned_work import Work
from paymentagg.entrypoints.pages.work.preview import Preview

PATIENCE = 1.0
"""How many seconds a request waits for its preview or its sync: a small file needs no page that shows progress."""

_SHOWN = {f"{kind}-{model.plural}": (model, kind) for model in Model for kind in ChangeKind}
_REJECTED = "rejected"


def show_upload(request: Request) -> Response:
    """Show the upload of this browser at its present step; the form if there is none."""
    rest, own = split(request.query_string, "show", "format")
    no_parameters(rest)
    media = asked_media(own.get("format"))
    request.read_current()  # so did the preview
    work = _desk(request).find(owner_of(request))
    if work is None or work.undoes is not None:
        return _form(request)
    preview = work.status.preview
    if media is not None and preview is not None:
        return _file(request, media, preview, own.get("show"))
    return _step(request, work, own.get("show"))


def upload(request: Request) -> Response:
    """Take the files and preview them."""
    no_parameters(request.query_string)
    try:
        form = read_upload(request)
        try:
            limit = _limit(request, form.max_delete)
        except PaymentAggError:
            for file in form.files.values():
                file.close()
            raise
    except InvalidParameter as error:
        return _form(request, error)
    work = _desk(request).upload(owner_of(request), form.files, limit, request.caller)
    work.wait(PATIENCE)
    return HTTPSeeOther("/ui/upload")


def preview_again(request: Request) -> Response:
    """Preview the files that wait once more: the data have changed, or more may be deleted."""
    fields = read_form(request)
    limit = _limit(request, fields.get("max_delete", "").strip())
    _desk(request).preview_again(owner_of(request), limit, request.caller).wait(PATIENCE)
    return HTTPSeeOther("/ui/upload")


def apply_upload(request: Request) -> Response:
    """Do what was previewed."""
    fields = read_form(request)
    _desk(request).apply(owner_of(request), fields.get("preview", ""), request.caller).wait(PATIENCE)
    return HTTPSeeOther("/ui/upload")


def cancel(request: Request) -> Response:
    """Give up the upload, or finish with one that is done; an upload that is being applied goes on."""
    read_form(request)
    _desk(request).cancel(owner_of(request))
    return HTTPSeeOther("/ui/upload")


def show_undo(request: Request) -> Response:
    """Show the undo of this browser at its present step; lead to the sync if it undoes another one, or none."""
    sync = sync_id(request.matchdict["id"])
    rest, own = split(request.query_string, "show")
    no_parameters(rest)
    request.read_current()
    work = _desk(request).find(owner_of(request))
    if work is None or work.undoes != sync:
        return HTTPSeeOther(f"/ui/syncs/{sync}")
    return _step(request, work, own.get("show"))


def undo(request: Request) -> Response:
    """Preview the undo of a sync."""
    read_form(request)
    sync = sync_id(request.matchdict["id"])
    _desk(request).undo(owner_of(request), sync, request.caller).wait(PATIENCE)
    return HTTPSeeOther(f"/ui/syncs/{sync}/undo")


def apply_undo(request: Request) -> Response:
    """Undo the sync as it was previewed."""
    fields = read_form(request)
    sync = sync_id(request.matchdict["id"])
    work = _desk(request).find(owner_of(request))
    if work is None or work.undoes != sync:
        raise NothingWaiting
    _desk(request).apply(owner_of(request), fields.get("preview", ""), request.caller).wait(PATIENCE)
    return HTTPSeeOther(f"/ui/syncs/{sync}/undo")


def cancel_undo(request: Request) -> Response:
    """Give up the undo."""
    read_form(request)
    sync = sync_id(request.matchdict["id"])
    _desk(request).cancel(owner_of(request))
    return HTTPSeeOther(f"/ui/syncs/{sync}")


def _file(request: Request, media: str, preview: Preview, show: str | None) -> Response:
    if show == _REJECTED:
        table = rejections("upload-rejected", lambda: batched(preview.rejections()), lambda: None)
    else:
        table = changes_of_preview(preview.changes)
    return table_response(request, media, table, bom=True)


def _desk(request: Request) -> Desk:
    return shared(request).desk


def _limit(request: Request, text: str) -> DeletionLimit:
    """Return the limit on deletions: the guard's, unless another one was entered.

    Raises:
        InvalidParameter: it isn't a limit.
        Forbidden: it is above the guard's, and the client may not raise it.
    """
    guard = request.limits.deletion
    if not text:
        return guard
    try:
        limit = DeletionLimit.parse(text)
    except ValueError as error:
        raise InvalidParameter("max_delete", str(error)) from None
    request.principal.check_limit(limit, guard)
    return limit


def _form(request: Request, error: PaymentAggError | None = None) -> Response:
    may_raise = request.principal.may(Permission.RAISE_LIMIT)
    guard = request.limits.deletion
    status = 400 if error else 200
    message = None if error is None else str(error).replace("max_delete", "rows that may be deleted", 1)
    response = page(request, "upload.jinja2", status=status, error=message, may_raise=may_raise, guard=guard)
    if error:
        response.problem_code = error.code  # for the audit log
    return response


def _step(request: Request, work: Work, show: str | None) -> Response:
    status = work.status
    content: dict[str, Any] = {"tabs": [], "shown": None, "changes": [], "rejections": [], "loss": None}
    if status.preview is not None:
        content |= _previewed(request, work, status.preview, show)
    return page(
        request,
        "work.jinja2",
        work=work,
        state=status,
        progress=work.progress,
        title="Upload" if work.undoes is None else f"Undo of sync {work.undoes}",
        path="/ui/upload" if work.undoes is None else f"/ui/syncs/{work.undoes}/undo",
        may_raise=request.principal.may(Permission.RAISE_LIMIT),
        patient_path=patient_path,
        **content,
    )


def _previewed(request: Request, work: Work, preview: Preview, show: str | None) -> dict[str, Any]:
    """Return the variables of a preview: the kinds of changes with their numbers, and the first of one kind."""
    numbers = {
        name: getattr(preview.report.models[model], kind) if model in preview.report.models else 0
        for name, (model, kind) in _SHOWN.items()
    }
    numbers[_REJECTED] = preview.report.rejected
    tabs = [(name, name.replace("-", " "), number) for name, number in numbers.items() if number]
    if show is None and tabs:
        show = tabs[0][0]
    if show is not None and show not in numbers:
        raise InvalidParameter("show", f"must be one of {', '.join(numbers)}")
    content: dict[str, Any] = {"tabs": tabs, "shown": show}
    if show == _REJECTED:
        content["rejections"] = preview.report.errors[:ROWS]
    elif show is not None:
        content["changes"] = _changes(request, work, preview, *_SHOWN[show])
    loss = preview.largest_loss
    if loss is not None:
        names = request.patients.names([loss.patient])
        content["loss"] = (loss.patient, names.get(loss.patient, f"patient {loss.patient}"), from_cents(loss.cents))
    return content


def _changes(request: Request, work: Work, preview: Preview, model: Model, kind: ChangeKind) -> list[ChangeRow]:
    if work.undoes is None:
        differences = [*map(Difference.of_preview, preview.first.get((model, kind), ()))]
    else:
        query = SyncChangesQuery(work.undoes, model, inverse_of(kind), limit=ROWS)
        found = request.history.of_sync(query)
        differences = [] if found is None else [Difference.of_past(change).inverse for change in found.items]
    request.trail.read(len(differences))
    return change_rows(request, differences)
