"""The stored data for reading, over SQLAlchemy Core. Every page is one statement, whatever its size.

Each row of a page's statement carries the version of the data beside it: one statement sees one state, so the
version is that of the rows.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select

from paymentagg.adapters import selections
from paymentagg.adapters.selections import AnyRow, version_of
from paymentagg.adapters.tables import from_cents
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report

T = TypeVar("T")


class SqlPatients:
    """See the port PatientRepository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, query: PatientQuery) -> Page[PatientView]:
        return _page(self._connection, *selections.patients_page(query), patient_view, query.limit)

    def get(self, external_id: str) -> Page[PatientView]:
        return _page(self._connection, selections.one_patient(), {"external_id": external_id}, patient_view, 1)


class SqlPayments:
    """See the port PaymentRepository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        return _page(self._connection, *selections.payments_page(query), payment_view, query.limit)


class SqlSyncs:
    """See the port SyncRepository."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self) -> str:
        return read_version(self._connection)

    def page(self, *, before: int | None = None, limit: int = 100) -> Page[Report]:
        statement = selections.syncs_page(before=before is not None)
        return _page(self._connection, statement, {"before": before, "limit": limit + 1}, _report, limit)

    def get(self, sync_id: int) -> Page[Report]:
        return _page(self._connection, selections.one_sync(), {"id": sync_id}, _report, 1)


def read_version(connection: Connection) -> str:
    """Return the version of patients and payments."""
    return version_of(connection.execute(selections.LAST_CHANGE).one_or_none())


def patient_view(row: AnyRow) -> PatientView:
    """Return what the first columns of a row of patients say."""
    return PatientView(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], from_cents(row[8]), row[9])


def payment_view(row: AnyRow) -> PaymentView:
    """Return what the first columns of a row of payments say."""
    return PaymentView(row[0], row[1], row[2], from_cents(row[3]), row[4], row[5])


def _report(row: AnyRow) -> Report:
    report = msgspec.json.decode(row.report, type=Report)
    report.id = row.id
    return report


def _page(
    connection: Connection, statement: Select[Any], parameters: dict[str, Any], view: Callable[[AnyRow], T], limit: int
) -> Page[T]:
    """Run the one statement of a page, which finds one row more where more follow."""
    found = connection.execute(statement, parameters).all()
    items = [view(row) for row in found[:limit] if row[0] is not None]
    return Page(items, more=len(found) > limit, version=version_of(found[0]))
