"""The stored data for reading, over SQLAlchemy Core. Every page is one statement, whatever its size.

Each row of a page's statement carries the version of the data beside it: one statement sees one state, so the
version is that of the rows. A page without rows comes as one row that holds the version alone.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Row, Select, Subquery, asc, desc, literal, select, true, tuple_
from sqlalchemy.orm import Session

from paymentagg.adapters.tables import from_cents, patients, payment_totals, payments, syncs, to_cents
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView, Position, SortKey
from paymentagg.domain.report import Report

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]


class SqlPatients:
    """See the port PatientRepository."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, query: PatientQuery) -> Page[PatientView]:
        return _page(self._session, select_patients(query, paged=True), _PATIENTS_CHANGED, patient_view, query.limit)

    def get(self, external_id: str) -> Page[PatientView]:
        one = _PATIENTS.where(patients.c.external_id == external_id).limit(1)
        return _page(self._session, one, _PATIENTS_CHANGED, patient_view, 1)


class SqlPayments:
    """See the port PaymentRepository."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        return _page(self._session, select_payments(query, paged=True), _PATIENTS_CHANGED, payment_view, query.limit)


class SqlSyncs:
    """See the port SyncRepository."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def version(self) -> str:
        return read_version(self._session)

    def page(self, *, before: int | None = None, limit: int = 100) -> Page[Report]:
        statement = _SYNCS.order_by(syncs.c.id.desc()).limit(limit + 1)
        if before is not None:
            statement = statement.where(syncs.c.id < before)
        return _page(self._session, statement, _SYNCED, _report, limit)

    def get(self, sync_id: int) -> Page[Report]:
        return _page(self._session, _SYNCS.where(syncs.c.id == sync_id).limit(1), _SYNCED, _report, 1)


def read_version(session: Session) -> str:
    """Return the version of patients and payments."""
    return _version(session.execute(_LAST_CHANGE).one_or_none())


def select_patients(query: PatientQuery, *, paged: bool) -> Select[Any]:
    """Select the patients of a query in its order; with one row more than a page where it is paged."""
    statement = _PATIENTS
    if query.total.minimum is not None:
        statement = statement.where(payment_totals.c.total_cents >= to_cents(query.total.minimum))
    if query.total.maximum is not None:
        statement = statement.where(payment_totals.c.total_cents <= to_cents(query.total.maximum))
    key = _SORT_KEYS[query.sort]
    if paged and query.after is not None:
        statement = statement.where(_behind(key, _database_position(query.after), descending=query.descending))
    direction = desc if query.descending else asc
    statement = statement.order_by(*map(direction, key))
    return statement.limit(query.limit + 1) if paged else statement


def select_payments(query: PaymentQuery, *, paged: bool) -> Select[Any]:
    """Select the payments of a query in the order of id; with one row more than a page where it is paged."""
    statement = _PAYMENTS
    if query.patient_id is not None:
        patient = select(patients.c.id).where(patients.c.external_id == query.patient_id).scalar_subquery()
        statement = statement.where(payments.c.patient_id == patient)
    if paged and query.after is not None:
        statement = statement.where(payments.c.id > query.after)
    statement = statement.order_by(payments.c.id)
    return statement.limit(query.limit + 1) if paged else statement


def patient_view(row: AnyRow) -> PatientView:
    """Return what the first columns of a row of ``select_patients`` say."""
    return PatientView(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], from_cents(row[8]), row[9])


def payment_view(row: AnyRow) -> PaymentView:
    """Return what the first columns of a row of ``select_payments`` say."""
    return PaymentView(row[0], row[1], row[2], from_cents(row[3]), row[4], row[5])


def _report(row: AnyRow) -> Report:
    report = msgspec.json.decode(row.report, type=Report)
    report.id = row.id
    return report


_PATIENTS = select(
    patients.c.id,
    patients.c.external_id,
    patients.c.first_name,
    patients.c.last_name,
    patients.c.middle_name,
    patients.c.date_of_birth,
    patients.c.created,
    patients.c.updated,
    payment_totals.c.total_cents,
    payment_totals.c.payment_count,
).join(payment_totals, payment_totals.c.patient_id == patients.c.id)

_PAYMENTS = select(
    payments.c.id,
    payments.c.external_id,
    patients.c.external_id.label("patient_external_id"),
    payments.c.amount_cents,
    payments.c.created,
    payments.c.updated,
).join(patients, patients.c.id == payments.c.patient_id)

_SYNCS = select(syncs.c.id, syncs.c.report)

_LAST_SYNC = (
    select(syncs.c.id.label("version_id"), syncs.c.finished_at.label("version_time"))
    .order_by(syncs.c.id.desc())
    .limit(1)
)
_LAST_CHANGE = _LAST_SYNC.where(syncs.c.changed)
_SYNCED = _LAST_SYNC.subquery("version")
_PATIENTS_CHANGED = _LAST_CHANGE.subquery("version")

_SORT_KEYS: dict[SortKey, tuple[ColumnElement[Any], ...]] = {
    SortKey.ID: (patients.c.id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}


def _behind(key: tuple[ColumnElement[Any], ...], position: tuple[Any, ...], *, descending: bool) -> ColumnElement[bool]:
    """Return the keyset condition: rows behind the position, found by index."""
    here = tuple_(*key)
    there = tuple_(*(literal(value, column.type) for value, column in zip(position, key, strict=True)))
    return here < there if descending else here > there


def _database_position(position: Position) -> tuple[Any, ...]:
    return tuple(value if isinstance(value, int | str) else to_cents(value) for value in position)


def _page(session: Session, rows: Select[Any], version: Subquery, view: Callable[[AnyRow], T], limit: int) -> Page[T]:
    """Run one statement for the rows of a page, of which it selects one more, and the version of their state."""
    numbered = rows.subquery("page")
    always = select(literal(1).label("one")).subquery("always")
    statement = select(*numbered.c, version.c.version_id, version.c.version_time).select_from(
        always.outerjoin(version, true()).outerjoin(numbered, true())
    )
    found = session.execute(statement).all()
    items = [view(row) for row in found[:limit] if row[0] is not None]
    return Page(items, more=len(found) > limit, version=_version(found[0]))


def _version(row: AnyRow | None) -> str:
    """Return a text for a sync: its id, and its time because a restored database counts ids anew."""
    if row is None or row.version_id is None:
        return "0"
    time: datetime = row.version_time
    return f"{row.version_id}-{int(time.timestamp() * 1_000_000)}"
