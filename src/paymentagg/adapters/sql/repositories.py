"""The repositories for reading, in SQLAlchemy Core. Every page is one statement, whatever its size.

The statement returns one row with both the version of the data and the page's rows. One statement sees one state, so
the version belongs to the rows.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select
from typing_extensions import override

from paymentagg.adapters.sql import statements
from paymentagg.adapters.sql.row_decoding import patient_views, payment_views
from paymentagg.adapters.sql.statements import version_of
from paymentagg.domain.ports import PatientRepository, PaymentRepository, SyncRepository
from paymentagg.domain.queries import Page, PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report

T = TypeVar("T")


class SqlPatients(PatientRepository):
    """The stored patients."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def page(self, query: PatientQuery) -> Page[PatientView]:
        return _page(self._connection, *statements.patients_page(query), patient_views, query.limit)

    @override
    def get(self, external_id: str) -> Page[PatientView]:
        return _page(self._connection, statements.one_patient(), {"external_id": external_id}, patient_views, 1)


class SqlPayments(PaymentRepository):
    """The stored payments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        return _page(self._connection, *statements.payments_page(query), payment_views, query.limit)


class SqlSyncs(SyncRepository):
    """The record of past syncs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def version(self) -> str:
        return read_version(self._connection)

    @override
    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        statement = statements.syncs_page(before=before is not None, by=by is not None)
        parameters = {"before": before, "by": by, "limit": limit + 1}
        return _page(self._connection, statement, parameters, _reports, limit)

    @override
    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        return _page(self._connection, statements.one_sync(by=by is not None), {"id": sync_id, "by": by}, _reports, 1)


def read_version(connection: Connection) -> str:
    """Return the version of patients and payments."""
    return version_of(connection.execute(statements.LAST_CHANGE).one_or_none())


def _reports(rows: str) -> list[Report]:
    reports = []
    for sync_id, text in msgspec.json.decode(rows, type=list[tuple[int, str]]):
        report = msgspec.json.decode(text, type=Report)
        report.id = sync_id
        reports.append(report)
    return reports


def _page(
    connection: Connection,
    statement: Select[Any],
    parameters: dict[str, Any],
    views: Callable[[str], list[T]],
    limit: int,
) -> Page[T]:
    """Run a page's statement, which returns up to ``limit`` + 1 rows: one more means that another page follows."""
    found = connection.execute(statement, parameters).one()
    items = views(found.rows or "[]")
    return Page(items[:limit], more=len(items) > limit, version=version_of(found))
