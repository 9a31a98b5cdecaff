"""The statements that read: built once for each shape of query, since building one costs more than running it.

What differs from request to request are bound parameters: minimum, maximum, after_0 and after_1, patient_id, limit.
"""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    asc,
    bindparam,
    desc,
    literal,
    select,
    true,
    tuple_,
)

from paymentagg.adapters.tables import patients, payment_totals, payments, syncs, to_cents
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey

AnyRow = Row[*tuple[Any, ...]]

_SORT_KEYS: dict[SortKey, tuple[ColumnElement[Any], ...]] = {
    SortKey.ID: (payment_totals.c.patient_id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}

_LAST_SYNC = select(syncs.c.id.label("version_id"), syncs.c.finished_at.label("version_time"))
LAST_SYNC = _LAST_SYNC.order_by(syncs.c.id.desc()).limit(1)
LAST_CHANGE = LAST_SYNC.where(syncs.c.changed)


def version_of(row: AnyRow | None) -> str:
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
    return with_version(_patients().where(patients.c.external_id == bindparam("external_id")), (), changes=True)


def payments_page(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of payments, with one row more than the page holds, and its parameters."""
    statement = _payments_page(query.patient_id is not None, query.after is not None)
    return statement, {"patient_id": query.patient_id, "after": query.after, "limit": query.limit + 1}


def all_payments(query: PaymentQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all payments that a query finds, and its parameters."""
    statement = _payments(of_patient=query.patient_id is not None).order_by(payments.c.id)
    return statement, {"patient_id": query.patient_id}


@cache
def syncs_page(*, before: bool) -> Select[Any]:
    """Return the statement for the record of syncs, newest first, from below the id ``before`` on where asked."""
    rows = select(syncs.c.id, syncs.c.report)
    if before:
        rows = rows.where(syncs.c.id < bindparam("before"))
    page = rows.order_by(syncs.c.id.desc()).limit(bindparam("limit"))
    return with_version(page, (desc("id"),), changes=False)


@cache
def one_sync() -> Select[Any]:
    """Return the statement for the sync with the id ``id``."""
    return with_version(select(syncs.c.id, syncs.c.report).where(syncs.c.id == bindparam("id")), (), changes=False)


def with_version(rows: Select[Any], order: tuple[ColumnElement[Any], ...], *, changes: bool) -> Select[Any]:
    """Put the version of their state beside the rows of a page; it comes in a row of its own where there are none.

    Args:
        order: of the rows, by the names of their columns.
        changes: the version is that of the last sync that changed a row, else that of the last sync.
    """
    version = (LAST_CHANGE if changes else LAST_SYNC).subquery("version")
    page = rows.subquery("page")
    always = select(literal(1).label("one")).subquery("always")
    joined = always.outerjoin(version, true()).outerjoin(page, true())
    return select(*page.c, version.c.version_id, version.c.version_time).select_from(joined).order_by(*order)


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
        rows = _patients(found)
    else:
        rows = _patients().where(*conditions).order_by(*order).limit(bindparam("limit"))
    names = {"patient_id": "id"}
    shown = tuple(direction(names.get(column.name, column.name)) for column in key)
    return with_version(rows, shown, changes=True)


@cache
def _all_patients(sort: SortKey, descending: bool, bounds: tuple[bool, bool]) -> Select[Any]:
    direction = desc if descending else asc
    return _patients().where(*_within(bounds)).order_by(*map(direction, _SORT_KEYS[sort]))


@cache
def _payments_page(of_patient: bool, after: bool) -> Select[Any]:
    rows = _payments(of_patient=of_patient)
    if after:
        rows = rows.where(payments.c.id > bindparam("after"))
    return with_version(rows.order_by(payments.c.id).limit(bindparam("limit")), (asc("id"),), changes=True)


def _within(bounds: tuple[bool, bool]) -> list[ColumnElement[bool]]:
    minimum = payment_totals.c.total_cents >= bindparam("minimum")
    maximum = payment_totals.c.total_cents <= bindparam("maximum")
    return [bound for bound, is_given in zip((minimum, maximum), bounds, strict=True) if is_given]


def _patients(totals: Any = payment_totals) -> Select[Any]:
    """Select the fields of PatientView, in their order, the total in cents."""
    return select(
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
    ).join_from(patients, totals, totals.c.patient_id == patients.c.id)


@cache
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
