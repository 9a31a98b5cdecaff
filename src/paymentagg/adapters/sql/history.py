"""What past syncs have changed, for reading. A page is one statement, as in ``repositories``.

``row_changes`` has what was updated and deleted. What a sync created is told by the ids and the time of the rows: those
still stored, and those that later syncs have deleted.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
    union,
    union_all,
)
from typing_extensions import override

from paymentagg.adapters.sql.change_decoding import row_changes_of
from paymentagg.adapters.sql.repositories import page_of_known
from paymentagg.adapters.sql.row_history import STORED_FIELDS, as_json, json_field
from paymentagg.adapters.sql.statements import json_rows
from paymentagg.adapters.sql.tables import TABLES, UtcTime, patients, payments, row_changes, syncs
from paymentagg.domain.history import ChangeKind, HistoryQuery, RowChange, SyncChangesQuery
from paymentagg.domain.model import Model
from paymentagg.domain.ports import HistoryRepository
from paymentagg.domain.queries import Page

_LAST_ID = 2**63 - 1


class SqlHistory(HistoryRepository):
    """See the port HistoryRepository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def of_sync(self, query: SyncChangesQuery) -> Page[RowChange] | None:
        first, last_id = query.after or (Model.PATIENT, 0)
        # Compared as texts, the names of the models are in the order of the models.
        models = tuple(model for model in Model if model >= first and query.model in (None, model))
        statement = _changes_page(models, query.kind)
        after = {_after(model): last_id if model is first else 0 for model in models}
        parameters = {"sync": query.sync, **after}
        return page_of_known(self._connection, statement, parameters, row_changes_of, query.limit)

    @override
    def of_row(self, query: HistoryQuery) -> Page[RowChange]:
        names = ("sync", "model", "row_id")
        after = dict(zip(names, query.after or (), strict=False))
        statement = _history_page(query.model, query.after is not None)
        parameters = {"external_id": query.external_id, **after}
        page = page_of_known(self._connection, statement, parameters, row_changes_of, query.limit)
        return page or Page([], more=False, version="")


def _after(model: Model) -> str:
    """Return the name of the parameter with the row id after which a page begins."""
    return f"after_{model}"


@cache
def _changes_page(models: tuple[Model, ...], kind: ChangeKind | None) -> Select[Any]:
    """Return the statement for the changes of the sync ``sync``; its first column is NULL if there is no such sync."""
    parts = []
    for model in models:
        if kind is not ChangeKind.CREATED:
            parts.append(_kept(model, kind))
        if kind in (None, ChangeKind.CREATED):
            parts.append(_created(model))
    known = select(literal(1)).where(syncs.c.id == bindparam("sync")).scalar_subquery()
    rows: Any = _rows_of(union_all(*parts), "sync_id", "model", "row_id") if parts else cast(null(), Text)
    return select(known, rows)


@cache
def _history_page(model: Model, after: bool) -> Select[Any]:
    """Return the statement for the changes of the row ``external_id``; its first column is 1."""
    changes = row_changes.c
    own = [changes.model == model.value, changes.external_id == bindparam("external_id")]
    conditions = [own]
    if model is Model.PATIENT:
        conditions += [
            [column == bindparam("external_id")]
            for column in (changes.patient_external_id, changes.new_patient_external_id)
        ]
    parts = []
    for condition in conditions:
        if after:
            place = tuple_(changes.model, changes.row_id) > tuple_(
                bindparam("model", type_=changes.model.type), bindparam("row_id", type_=changes.row_id.type)
            )
            condition = [  # the first condition is redundant: it lets an index find the place
                *condition,
                changes.sync_id <= bindparam("sync"),
                or_(changes.sync_id < bindparam("sync"), place),
            ]
        part = select(*_KEPT).where(*condition)
        newest_first = part.order_by(changes.sync_id.desc(), changes.model, changes.row_id)
        parts.append(select(newest_first.limit(bindparam("limit")).subquery()))
    rows: Any = _rows_of(union_all(*parts), "-sync_id", "model", "row_id")
    return select(literal(1), rows)


_KEPT = [row_changes.c[name] for name in ("sync_id", "model", "kind", "row_id", "external_id", "before", "after")]


def _rows_of(parts: CompoundSelect[Any], *order: str) -> ScalarSelect[str]:
    """Return the first ``limit`` rows of all parts, in the order in which ``change_decoding`` reads their columns."""
    found = parts.subquery("found")
    keys = [found.c[name.removeprefix("-")].desc() if name[0] == "-" else found.c[name] for name in order]
    columns = [column for column in found.c if column.name != "sync_id"]
    page = (
        select(found.c.sync_id, syncs.c.started_at, *columns)
        .join(syncs, syncs.c.id == found.c.sync_id)
        .order_by(*keys)
        .limit(bindparam("limit"))
        .subquery("page")
    )
    return select(json_rows(*page.c)).scalar_subquery()


def _kept(model: Model, kind: ChangeKind | None) -> Select[Any]:
    """Select what the sync has updated, deleted or both."""
    changes = row_changes.c
    rows = select(*_KEPT).where(
        changes.sync_id == bindparam("sync"),
        changes.model == model.value,
        changes.row_id > bindparam(_after(model)),
    )
    if kind is not None:
        rows = rows.where(changes.kind == kind.value)
    return select(rows.order_by(changes.row_id).limit(bindparam("limit")).subquery())


def _created(model: Model) -> Select[Any]:
    """Select the rows that the sync has created, as they were then; as far as that is known.

    An undo has created again, under their old ids, the rows that the sync which it undoes had deleted.
    """
    found = union(_still_stored(model), _deleted_since(model), _restored(model)).subquery("created")
    return select(
        bindparam("sync", type_=syncs.c.id.type).label("sync_id"),
        literal(model.value, Text).label("model"),
        literal(ChangeKind.CREATED.value, Text).label("kind"),
        found.c.row_id,
        found.c.external_id,
        cast(null(), Text).label("before"),
        func.coalesce(found.c.restored, _first_fields(model, found), _stored_fields(model, found)).label("after"),
    )


def _still_stored(model: Model) -> Select[Any]:
    stored = TABLES[model]
    rows = (
        select(stored.c.id.label("row_id"), stored.c.external_id, cast(null(), Text).label("restored"))
        .where(
            stored.c.id > _first_created(model),
            stored.c.id <= _last_created(model),
            stored.c.created == _of_sync("started_at"),
        )
        .order_by(stored.c.id)
    )
    return select(rows.limit(bindparam("limit")).subquery())


def _deleted_since(model: Model) -> Select[Any]:
    """Select the rows that the sync created and a later one deleted."""
    changes = row_changes.alias("deletions").c
    rows = (
        select(changes.row_id, changes.external_id, cast(null(), Text).label("restored"))
        .where(
            changes.sync_id > bindparam("sync"),
            changes.model == model.value,
            changes.row_id > _first_created(model),
            changes.row_id <= _last_created(model),
            changes.kind == literal_column("'deleted'"),  # a parameter would hide the index of deletions from SQLite
            json_field(changes.before, "created", UtcTime()) == _of_sync("started_at"),
        )
        .distinct()  # if undos brought a row back, it was deleted several times
        .order_by(changes.row_id)
    )
    return select(rows.limit(bindparam("limit")).subquery())


def _restored(model: Model) -> Select[Any]:
    changes = row_changes.alias("undone").c
    rows = (
        select(changes.row_id, changes.external_id, changes.before.label("restored"))
        .where(
            changes.sync_id == _of_sync("undoes"),
            changes.model == model.value,
            changes.row_id > bindparam(_after(model)),
            changes.kind == ChangeKind.DELETED.value,
        )
        .order_by(changes.row_id)
    )
    return select(rows.limit(bindparam("limit")).subquery())


def _of_sync(column: str) -> ScalarSelect[Any]:
    """Return this column of the sync ``sync``."""
    return select(syncs.c[column]).where(syncs.c.id == bindparam("sync")).scalar_subquery()


def _first_created(model: Model) -> Any:
    """Return the id that the rows of the page are above, in one bound: of two, SQLite searches by the first alone."""
    last_id, after = _of_sync(f"{model.plural}_last_id"), bindparam(_after(model), type_=syncs.c.id.type)
    return case((after > last_id, after), else_=last_id)


def _last_created(model: Model) -> Any:
    """Return an id that no row created by the sync is above: the largest one when the next sync began."""
    following = syncs.alias("following").c
    last_id = following[f"{model.plural}_last_id"]
    next_one = select(last_id).where(following.id > bindparam("sync"), last_id.is_not(None)).order_by(following.id)
    return func.coalesce(next_one.limit(1).scalar_subquery(), _LAST_ID)


def _first_fields(model: Model, found: Subquery) -> ScalarSelect[str]:
    """Return the fields before the first later change, unless an earlier one isn't kept any more."""
    changes = row_changes.alias("first").c
    is_first = json_field(changes.before, "updated", UtcTime()) == json_field(changes.before, "created", UtcTime())
    return (
        select(case((is_first, changes.before)))
        .where(
            changes.model == model.value,
            changes.external_id == found.c.external_id,
            changes.sync_id > bindparam("sync"),
            changes.row_id == found.c.row_id,
        )
        .order_by(changes.sync_id)
        .limit(1)
        .scalar_subquery()
    )


def _stored_fields(model: Model, found: Subquery) -> ScalarSelect[str]:
    """Return the stored fields, unless they have been updated."""
    stored: Table = TABLES[model]
    # Concatenated, it is a text: SQLite's json_array would take the JSON for an object, and not quote it.
    text = as_json(STORED_FIELDS[model]).concat(literal("", Text))
    current = select(text).where(stored.c.id == found.c.row_id, stored.c.updated == stored.c.created)
    if model is Model.PAYMENT:
        current = current.join_from(payments, patients, patients.c.id == payments.c.patient_id)
    return current.scalar_subquery()
