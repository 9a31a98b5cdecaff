"""The statements for reading, each built once and cached: building a statement costs more than running it.

Values that differ between requests are bound parameters: after, patient_id, since, by, limit.
The database encodes rows as JSON arrays, and msgspec decodes them: that takes a third of the time that the drivers need
to convert the values. So all results are texts, and all parameters are numbers or texts. A page is one row, so fetching
it releases the interpreter lock once and not for each row.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Select, Table, Text, bindparam, cast, func, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from paymentagg.adapters.sql.tables import UtcTime, patients, payment_totals, payments, rejections, syncs
from paymentagg.domain.queries import PaymentQuery


class json_row(FunctionElement[str]):  # noqa: N801  named like an SQL function
    """A row's columns as a JSON array."""

    type = Text()
    inherit_cache = True


class json_rows(FunctionElement[str]):  # noqa: N801  named like an SQL function
    """The columns of all rows as a JSON array of arrays, in the order of the rows. May be NULL if there are no rows."""

    type = Text()
    inherit_cache = True


@compiles(json_row, "postgresql")
def _(element: json_row, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_build_array({compiler.process(element.clauses, **options)}) AS TEXT)"


@compiles(json_row, "sqlite")
def _(element: json_row, compiler: SQLCompiler, **options: Any) -> str:
    return _sqlite_array(element, compiler, options)


@compiles(json_rows, "postgresql")
def _(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **options)})) AS TEXT)"


@compiles(json_rows, "sqlite")
def _(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array({_sqlite_array(element, compiler, options)})"


def _sqlite_array(columns: FunctionElement[str], compiler: SQLCompiler, options: dict[str, Any]) -> str:
    """Return the SQL for a row's columns; times get a Z, because SQLite stores them without a zone."""
    values = [
        compiler.process(column, **options) + (" || 'Z'" if isinstance(column.type, UtcTime) else "")
        for column in columns.clauses
    ]
    return f"json_array({', '.join(values)})"


LAST_SYNC = select(json_row(syncs.c.id, syncs.c.finished_at)).order_by(syncs.c.id.desc()).limit(1)
"""The version of the record of syncs: id and time of the last one."""

VERSION = LAST_SYNC.where(syncs.c.changed)
"""The version of patients and payments: id and time of a sync, because a restored database reuses ids; or no row."""


NEWEST = select(func.coalesce(func.max(syncs.c.id), 0))
"""The id of the last sync, 0 if there is none."""

NEWEST_IN_RECOVERY = select(func.pg_is_in_recovery(), func.coalesce(func.max(syncs.c.id), 0))
"""Whether the server is a standby, and the id of the last sync that it has."""


@cache
def one_payment() -> Select[Any]:
    """Return the statement for the payment with the external id ``external_id``."""
    row = _payments(of_patient=False, updated=False).where(payments.c.external_id == bindparam("external_id"))
    return page_of(row, changes=True)


def payments_page(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of payments, with up to ``limit`` + 1 rows, and its parameters."""
    statement = _payments_page(*_shape(query), query.after is not None, query.count)
    return statement, _payment_parameters(query) | {"after": query.after, "limit": query.limit + 1}


def all_payments(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all payments that match a query, and its parameters."""
    return _all_payments(*_shape(query)), _payment_parameters(query)


def as_parameter(time: datetime | None) -> str | None:
    """Return a time as the text that ``since`` compares: SQLite stores this text, and PostgreSQL takes it for UTC."""
    return (
        None if time is None else time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    )


def since(updated: Column[datetime]) -> ColumnElement[bool]:
    """Return the condition that a row was updated at the time in the parameter ``since``, or later."""
    return updated >= bindparam("since", type_=Text())


def whole_number(number: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 if there is nothing to add: PostgreSQL's sums are decimals."""
    return func.coalesce(cast(number, BigInteger), 0)


def _shape(query: PaymentQuery) -> tuple[bool, bool]:
    """Return which conditions a query has: of one patient, since a time."""
    return query.patient_id is not None, query.updated_since is not None


def _payment_parameters(query: PaymentQuery) -> dict[str, Any]:
    return {"patient_id": query.patient_id, "since": as_parameter(query.updated_since)}


@cache
def syncs_page(*, before: bool, by: bool) -> Select[Any]:
    """Return the statement for a page of syncs, newest first.

    Args:
        before: only syncs with an id below the parameter ``before``.
        by: only syncs of the API key in the parameter ``by``.
    """
    rows = _syncs(by=by)
    if before:
        rows = rows.where(syncs.c.id < bindparam("before"))
    return page_of(rows.order_by(syncs.c.id.desc()).limit(bindparam("limit")), changes=False)


@cache
def one_sync(*, by: bool) -> Select[Any]:
    """Return the statement for the sync with the id ``id``, if the API key ``by`` made it or ``by`` is false."""
    return page_of(_syncs(by=by).where(syncs.c.id == bindparam("id")), changes=False)


@cache
def rejections_page(*, model: bool, after: bool, by: bool) -> Select[Any]:
    """Return the statement for a page of the rows that the sync ``sync`` rejected; the first column is NULL if unknown.

    Args:
        model: only rows of the model ``model``.
        after: only rows after ``after_model`` and ``after_row``.
        by: as in ``one_sync``.
    """
    rejected = rejections.c
    rows = select(*(column for column in rejected if column.name != "sync_id"))
    rows = rows.where(rejected.sync_id == bindparam("sync"))
    if model:
        rows = rows.where(rejected.model == bindparam("model"))
    if after:
        place = tuple_(
            bindparam("after_model", type_=rejected.model.type), bindparam("after_row", type_=rejected.row.type)
        )
        rows = rows.where(tuple_(rejected.model, rejected.row) > place)
    page = rows.order_by(rejected.model, rejected.row).limit(bindparam("limit")).subquery("page")
    known = _syncs(by=by).where(syncs.c.id == bindparam("sync")).with_only_columns(syncs.c.id)
    return select(known.scalar_subquery(), select(json_rows(*page.c)).scalar_subquery())


def _syncs(*, by: bool) -> Select[Any]:
    """Select id and report of the syncs, or of those of the API key in the parameter ``by``."""
    rows = select(syncs.c.id, syncs.c.report)
    return rows.where(syncs.c.key_id == bindparam("by")) if by else rows


def page_of(rows: Select[Any], *, changes: bool, count: Select[Any] | None = None) -> Select[Any]:
    """Return the statement that returns one row: the version (NULL if there is none), and the page's rows as JSON.

    Args:
        changes: the version is that of the last sync that changed a row; otherwise that of the last sync.
        count: selects one row with the number of the rows on all pages, and maybe the sum of their totals; these come
            after.
    """
    page = rows.subquery("page")
    version = VERSION if changes else LAST_SYNC
    counted: Iterable[ColumnElement[Any]] = [] if count is None else count.subquery("counted").c
    return select(version.scalar_subquery(), select(json_rows(*page.c)).scalar_subquery(), *counted)


@cache
def _payments_page(of_patient: bool, updated: bool, after: bool, count: bool) -> Select[Any]:
    rows = _payments(of_patient=of_patient, updated=updated)
    if after:
        rows = rows.where(payments.c.id > bindparam("after"))
    counted = _payment_count(of_patient=of_patient, updated=updated) if count else None
    return page_of(rows.order_by(payments.c.id).limit(bindparam("limit")), changes=True, count=counted)


@cache
def _all_payments(of_patient: bool, updated: bool) -> Select[Any]:
    rows = _payments(of_patient=of_patient, updated=updated).order_by(payments.c.id).subquery("rows")
    return select(json_row(*rows.c))


def _payment_count(*, of_patient: bool, updated: bool) -> Select[Any]:
    """Select the number of payments: from the totals, which are fewer rows, unless the time of update matters."""
    if updated:
        return _conditions(select(func.count()).select_from(payments), payments, of_patient=of_patient, updated=True)
    counts = select(whole_number(func.sum(payment_totals.c.payment_count)))
    return _conditions(counts, payment_totals, of_patient=of_patient, updated=False)


def _conditions(rows: Select[Any], table: Table, *, of_patient: bool, updated: bool) -> Select[Any]:
    if of_patient:
        patient = select(patients.c.id).where(patients.c.external_id == bindparam("patient_id")).scalar_subquery()
        rows = rows.where(table.c.patient_id == patient)
    return rows.where(since(table.c.updated)) if updated else rows


def _payments(*, of_patient: bool, updated: bool) -> Select[Any]:
    """Select the fields of PaymentView in their order, the amount in cents."""
    rows = select(
        payments.c.id,
        payments.c.external_id,
        patients.c.external_id.label("patient_external_id"),
        payments.c.amount_cents,
        payments.c.created,
        payments.c.updated,
    ).join(patients, patients.c.id == payments.c.patient_id)
    return _conditions(rows, payments, of_patient=of_patient, updated=updated)
