"""The statements that read: built once for each shape of query, since building one costs more than running it.

What differs from request to request are bound parameters: minimum, maximum, after_0 and after_1, patient_id, by, limit.
Rows come as JSON arrays, put together by the database and taken apart by msgspec: that costs a third of what the
drivers take to make values of them, and a page is one row, which hands the interpreter lock over once instead of at
each row.
"""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, asc, bindparam, desc, literal, select, true, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from paymentagg.adapters.sql.tables import patients, payment_totals, payments, syncs, to_cents
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey


class json_row(FunctionElement[str]):  # noqa: N801  named as functions of SQL are
    """A row's columns as a JSON array."""

    type = Text()
    inherit_cache = True


class json_rows(FunctionElement[str]):  # noqa: N801  named as functions of SQL are
    """The columns of all rows as a JSON array of arrays, in the order of the rows; maybe NULL where there are none."""

    type = Text()
    inherit_cache = True


@compiles(json_row, "postgresql")
def _(element: json_row, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_build_array({compiler.process(element.clauses, **options)}) AS TEXT)"


@compiles(json_row, "sqlite")
def _(element: json_row, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **options)})"


@compiles(json_rows, "postgresql")
def _(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **options)})) AS TEXT)"


@compiles(json_rows, "sqlite")
def _(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **options)}))"


_SORT_KEYS: dict[SortKey, tuple[ColumnElement[Any], ...]] = {
    SortKey.ID: (payment_totals.c.patient_id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}

LAST_SYNC = (
    select(syncs.c.id.label("version_id"), syncs.c.finished_at.label("version_time"))
    .order_by(syncs.c.id.desc())
    .limit(1)
)
LAST_CHANGE = LAST_SYNC.where(syncs.c.changed)


def version_of(row: Row[Any, Any] | Row[Any, Any, Any] | None) -> str:
    """Return a text for a sync: its id, and its time because a restored database counts ids anew."""
    if row is None or row.version_id is None:
        return "0"
    time: datetime = row.version_time
    return f"{row.version_id}-{int(time.timestamp() * 1_000_000)}"


def patients_page(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of patients, with one row more than the page holds, and its parameters."""
    bounds = (query.total.minimum is not None, query.total.maximum is not None)
    statement = _patients_page(query.sort, query.descending, bounds, query.after is not None)
    position = (value if isinstance(value, int | str) else to_cents(value) for value in query.after or ())
    after = {f"after_{place}": value for place, value in enumerate(position)}
    return statement, _bounds(query) | after | {"limit": query.limit + 1}


def all_patients(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all patients that a query finds, and its parameters."""
    bounds = (query.total.minimum is not None, query.total.maximum is not None)
    return _all_patients(query.sort, query.descending, bounds), _bounds(query)


@cache
def one_patient() -> Select[Any]:
    """Return the statement for the patient with the external id ``external_id``."""
    return _page(_patients().where(patients.c.external_id == bindparam("external_id")), changes=True)


def payments_page(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of payments, with one row more than the page holds, and its parameters."""
    statement = _payments_page(query.patient_id is not None, query.after is not None)
    return statement, {"patient_id": query.patient_id, "after": query.after, "limit": query.limit + 1}


def all_payments(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all payments that a query finds, and its parameters."""
    return _all_payments(query.patient_id is not None), {"patient_id": query.patient_id}


@cache
def syncs_page(*, before: bool, by: bool) -> Select[Any]:
    """Return the statement for the record of syncs, newest first, from below the id ``before`` on where asked."""
    rows = _syncs(by=by)
    if before:
        rows = rows.where(syncs.c.id < bindparam("before"))
    return _page(rows.order_by(syncs.c.id.desc()).limit(bindparam("limit")), changes=False)


@cache
def one_sync(*, by: bool) -> Select[Any]:
    """Return the statement for the sync with the id ``id``."""
    return _page(_syncs(by=by).where(syncs.c.id == bindparam("id")), changes=False)


def _syncs(*, by: bool) -> Select[Any]:
    """Select the id and report of each sync, of the API key ``by`` alone where asked."""
    rows = select(syncs.c.id, syncs.c.report)
    return rows.where(syncs.c.key_id == bindparam("by")) if by else rows


def _page(rows: Select[Any], *, changes: bool) -> Select[Any]:
    """Return the statement that finds a page's version and its rows, as JSON, in one row.

    Args:
        changes: the version is that of the last sync that changed a row, else that of the last sync.
    """
    page = rows.subquery("page")
    always = select(literal(1).label("one")).subquery("always")
    version = (LAST_CHANGE if changes else LAST_SYNC).subquery("version")
    return select(
        version.c.version_id,
        version.c.version_time,
        select(json_rows(*page.c)).scalar_subquery().label("rows"),
    ).select_from(always.outerjoin(version, true()))


def _bounds(query: PatientQuery) -> dict[str, Any]:
    both = {"minimum": query.total.minimum, "maximum": query.total.maximum}
    return {name: to_cents(bound) for name, bound in both.items() if bound is not None}


@cache
def _patients_page(sort: SortKey, descending: bool, bounds: tuple[bool, bool], after: bool) -> Select[Any]:
    """Find the page first, in the totals alone where their order is asked for, and then what is to be shown of it."""
    key = _SORT_KEYS[sort]
    direction = desc if descending else asc
    conditions = _within(bounds)
    if after:
        here = tuple_(*key)
        there = tuple_(*(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)))
        conditions.append(here < there if descending else here > there)
    order = tuple(direction(column) for column in key)
    if all(column.table is payment_totals for column in key):
        found = select(payment_totals).where(*conditions).order_by(*order).limit(bindparam("limit")).subquery("found")
        rows = _patients(found).order_by(*(direction(found.c[column.name]) for column in key))
    else:
        rows = _patients().where(*conditions).order_by(*order).limit(bindparam("limit"))
    return _page(rows, changes=True)


@cache
def _all_patients(sort: SortKey, descending: bool, bounds: tuple[bool, bool]) -> Select[Any]:
    direction = desc if descending else asc
    rows = _patients().where(*_within(bounds)).order_by(*map(direction, _SORT_KEYS[sort])).subquery("rows")
    return select(json_row(*rows.c))


@cache
def _payments_page(of_patient: bool, after: bool) -> Select[Any]:
    rows = _payments(of_patient=of_patient)
    if after:
        rows = rows.where(payments.c.id > bindparam("after"))
    return _page(rows.order_by(payments.c.id).limit(bindparam("limit")), changes=True)


@cache
def _all_payments(of_patient: bool) -> Select[Any]:
    rows = _payments(of_patient=of_patient).order_by(payments.c.id).subquery("rows")
    return select(json_row(*rows.c))


def _within(bounds: tuple[bool, bool]) -> list[ColumnElement[bool]]:
    minimum = payment_totals.c.total_cents >= bindparam("minimum")
    maximum = payment_totals.c.total_cents <= bindparam("maximum")
    return [bound for bound, is_given in zip((minimum, maximum), bounds, strict=True) if is_given]


def _patients(found: Any = None) -> Select[Any]:
    """Select the fields of PatientView, in their order, the total in cents; of the totals that were ``found`` alone."""
    totals = payment_totals if found is None else found
    rows = select(
        patients.c.id,
        patients.c.external_id,
        patients.c.first_name,
        patients.c.last_name,
        patients.c.middle_name,
        patients.c.date_of_birth,
        patients.c.created,
        patients.c.updated,
        totals.c.total_cents,
        totals.c.payment_count,
    )
    if found is None:
        return rows.join_from(patients, totals, totals.c.patient_id == patients.c.id)
    # Each total has its patient. An outer join says where to begin: SQLite would walk through all patients instead.
    return rows.outerjoin_from(found, patients, patients.c.id == found.c.patient_id)


def _payments(*, of_patient: bool) -> Select[Any]:
    """Select the fields of PaymentView, in their order, the amount in cents."""
    rows = select(
        payments.c.id,
        payments.c.external_id,
        patients.c.external_id.label("patient_external_id"),
        payments.c.amount_cents,
        payments.c.created,
        payments.c.updated,
    ).join(patients, patients.c.id == payments.c.patient_id)
    if of_patient:
        patient = select(patients.c.id).where(patients.c.external_id == bindparam("patient_id")).scalar_subquery()
        rows = rows.where(payments.c.patient_id == patient)
    return rows
