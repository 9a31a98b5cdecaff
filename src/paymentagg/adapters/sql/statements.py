"""The statements for reading, each built once and cached: building a statement costs more than running it.

Values that differ between requests are bound parameters: minimum, maximum, after_0 and after_1, patient_id, by, limit.
The database encodes rows as JSON arrays, and msgspec decodes them: that takes a third of the time that the drivers need
to convert the values. So all results are texts, and all parameters are numbers or texts. A page is one row, so fetching
it releases the interpreter lock once and not for each row.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, asc, bindparam, desc, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from paymentagg.adapters.sql.tables import UtcTime, patients, payment_totals, payments, rejections, syncs
from paymentagg.domain.money import to_cents
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey


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


_SORT_KEYS: dict[SortKey, tuple[ColumnElement[Any], ...]] = {
    SortKey.ID: (payment_totals.c.patient_id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}

_LAST_SYNC = select(json_row(syncs.c.id, syncs.c.finished_at)).order_by(syncs.c.id.desc()).limit(1)

VERSION = _LAST_SYNC.where(syncs.c.changed)
"""The version of patients and payments: id and time of a sync, because a restored database reuses ids; or no row."""


def patients_page(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of patients, with up to ``limit`` + 1 rows, and its parameters."""
    bounds = (query.total.minimum is not None, query.total.maximum is not None)
    statement = _patients_page(query.sort, query.descending, bounds, query.after is not None)
    position = (value if isinstance(value, int | str) else to_cents(value) for value in query.after or ())
    after = {f"after_{place}": value for place, value in enumerate(position)}
    return statement, _range_parameters(query) | after | {"limit": query.limit + 1}


def all_patients(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all patients that match a query, and its parameters."""
    bounds = (query.total.minimum is not None, query.total.maximum is not None)
    return _all_patients(query.sort, query.descending, bounds), _range_parameters(query)


@cache
def one_patient() -> Select[Any]:
    """Return the statement for the patient with the external id ``external_id``."""
    return _page(_patients().where(patients.c.external_id == bindparam("external_id")), changes=True)


@cache
def one_payment() -> Select[Any]:
    """Return the statement for the payment with the external id ``external_id``."""
    row = _payments(of_patient=False).where(payments.c.external_id == bindparam("external_id"))
    return _page(row, changes=True)


def payments_page(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of payments, with up to ``limit`` + 1 rows, and its parameters."""
    statement = _payments_page(query.patient_id is not None, query.after is not None)
    return statement, {"patient_id": query.patient_id, "after": query.after, "limit": query.limit + 1}


def all_payments(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all payments that match a query, and its parameters."""
    return _all_payments(query.patient_id is not None), {"patient_id": query.patient_id}


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
    return _page(rows.order_by(syncs.c.id.desc()).limit(bindparam("limit")), changes=False)


@cache
def one_sync(*, by: bool) -> Select[Any]:
    """Return the statement for the sync with the id ``id``, if the API key ``by`` made it or ``by`` is false."""
    return _page(_syncs(by=by).where(syncs.c.id == bindparam("id")), changes=False)


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


def _page(rows: Select[Any], *, changes: bool) -> Select[Any]:
    """Return the statement that returns one row: the version (NULL if there is none), and the page's rows as JSON.

    Args:
        changes: the version is that of the last sync that changed a row; otherwise that of the last sync.
    """
    page = rows.subquery("page")
    version = VERSION if changes else _LAST_SYNC
    return select(version.scalar_subquery(), select(json_rows(*page.c)).scalar_subquery())


def _range_parameters(query: PatientQuery) -> dict[str, Any]:
    """Return the bounds of the range of totals, in cents, as parameters."""
    both = {"minimum": query.total.minimum, "maximum": query.total.maximum}
    return {name: to_cents(bound) for name, bound in both.items() if bound is not None}


@cache
def _patients_page(sort: SortKey, descending: bool, bounds: tuple[bool, bool], after: bool) -> Select[Any]:
    """Select the page's rows first, from ``payment_totals`` alone if it has the sort key, and then their columns."""
    key = _SORT_KEYS[sort]
    direction = desc if descending else asc
    conditions = _range_conditions(bounds)
    if after:
        position = tuple_(*key)
        last = tuple_(*(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)))
        conditions.append(position < last if descending else position > last)
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
    rows = _patients().where(*_range_conditions(bounds)).order_by(*map(direction, _SORT_KEYS[sort])).subquery("rows")
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


def _range_conditions(bounds: tuple[bool, bool]) -> list[ColumnElement[bool]]:
    """Return the conditions of the range of totals; ``bounds`` says whether it has a minimum and a maximum."""
    minimum = payment_totals.c.total_cents >= bindparam("minimum")
    maximum = payment_totals.c.total_cents <= bindparam("maximum")
    return [condition for condition, is_set in zip((minimum, maximum), bounds, strict=True) if is_set]


def _patients(found: Any = None) -> Select[Any]:
    """Select the fields of PatientView in their order, the total in cents; only for the totals ``found`` if given."""
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
    # Each total has a patient, so an outer join has the same result. It makes SQLite start from the totals that were
    # found; with an inner join it would scan all patients.
    return rows.outerjoin_from(found, patients, patients.c.id == found.c.patient_id)


def _payments(*, of_patient: bool) -> Select[Any]:
    """Select the fields of PaymentView in their order, the amount in cents."""
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
