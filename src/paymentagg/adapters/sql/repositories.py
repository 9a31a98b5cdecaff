"""The repositories for reading, in SQLAlchemy Core. Every page is one statement, whatever its size.

The statement returns one row with both the version of the data and the page's rows. One statement sees one state, so
the version belongs to the rows.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.sql.compiler import SQLCompiler
from typing_extensions import override

from paymentagg.adapters.sql import patient_statements, statements
from paymentagg.adapters.sql.row_decoding import patient_views, payment_views, rejections
from paymentagg.domain.changes import Rejection
from paymentagg.domain.history import RejectionsQuery
from paymentagg.domain.model import display_name
from paymentagg.domain.money import from_cents
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
        statement = patient_statements.patients_page(query, sqlite=self._connection.dialect.name == "sqlite")
        return _page(self._connection, *statement, patient_views, query.limit)

    @override
    def get(self, external_id: str) -> Page[PatientView]:
        return _page(self._connection, patient_statements.one_patient(), {"external_id": external_id}, patient_views, 1)

    @override
    def names(self, external_ids: Sequence[str]) -> dict[str, str]:
        parameters = patient_statements.ids_of(external_ids)
        (rows,) = first_row(self._connection, patient_statements.names(), parameters)
        found = msgspec.json.decode(rows or "[]", type=list[tuple[str, str, str, str | None]])
        return {external_id: display_name(first, last, middle) for external_id, first, last, middle in found}


class SqlPayments(PaymentRepository):
    """The stored payments."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def page(self, query: PaymentQuery) -> Page[PaymentView]:
        return _page(self._connection, *statements.payments_page(query), payment_views, query.limit)

    @override
    def get(self, external_id: str) -> Page[PaymentView]:
        return _page(self._connection, statements.one_payment(), {"external_id": external_id}, payment_views, 1)


class SqlSyncs(SyncRepository):
    """The record of past syncs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def version(self) -> str:
        found = first_row(self._connection, statements.VERSION, {})
        return version_of(None if found is None else found[0])

    @override
    def page(self, *, before: int | None = None, limit: int = 100, by: str | None = None) -> Page[Report]:
        statement = statements.syncs_page(before=before is not None, by=by is not None)
        parameters = {"before": before, "by": by, "limit": limit + 1}
        return _page(self._connection, statement, parameters, _reports, limit, of_content=True)

    @override
    def get(self, sync_id: int, *, by: str | None = None) -> Page[Report]:
        return _page(
            self._connection,
            statements.one_sync(by=by is not None),
            {"id": sync_id, "by": by},
            _reports,
            1,
            of_content=True,
        )

    @override
    def rejections(self, query: RejectionsQuery, *, by: str | None = None) -> Page[Rejection] | None:
        statement = statements.rejections_page(
            model=query.model is not None, after=query.after is not None, by=by is not None
        )
        after_model, after_row = query.after or (None, None)
        parameters = {
            "sync": query.sync,
            "model": query.model,
            "after_model": after_model,
            "after_row": after_row,
            "by": by,
        }
        return page_of_known(self._connection, statement, parameters, rejections, query.limit)


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
    *,
    of_content: bool = False,
) -> Page[T]:
    """Run a page's statement, which returns up to ``limit`` + 1 rows: one more means that another page follows.

    Args:
        of_content: the version depends on the content too, for content that not only syncs change.
    """
    version, rows, *counted = first_row(connection, statement, parameters)
    items = views(rows or "[]")
    content = _hash_of(rows) if of_content else ""
    total, cents = (*counted, None, None)[:2]
    amount = None if cents is None else from_cents(cents)
    return Page(items[:limit], len(items) > limit, version_of(version) + content, total, amount)


def page_of_known(
    connection: Connection,
    statement: Select[Any],
    parameters: dict[str, Any],
    views: Callable[[str], list[T]],
    limit: int,
) -> Page[T] | None:
    """Return the page of a statement whose first column says whether what it is about is known; None if it isn't.

    The page's version is made of its content: what is pruned or forgotten changes it too, and not only a sync.
    """
    known, rows = first_row(connection, statement, parameters | {"limit": limit + 1})
    if known is None:
        return None
    items = views(rows or "[]")
    return Page(items[:limit], more=len(items) > limit, version=_hash_of(rows))


def _hash_of(rows: str | None) -> str:
    """Return a text that identifies the content of a page."""
    return hashlib.sha256((rows or "").encode()).hexdigest()


def version_of(text: str | None) -> str:
    """Return the version that a statement has read; "0" if there has been no sync."""
    return text or "0"


def first_row(connection: Connection, statement: Select[*tuple[Any, ...]], parameters: dict[str, Any]) -> Any:
    """Return a statement's first row, None if there is none.

    It runs on the driver's own cursor: SQLAlchemy's execution of a short statement takes longer than the statement.

    Raises:
        StorageUnavailable: the database can't be used.
    """
    compiled = _compiled(statement, connection.dialect)
    values = compiled.construct_params(parameters)
    order = compiled.positiontup  # SQLite's parameters have no names
    driver = connection.connection
    try:
        with closing(driver.cursor()) as cursor:
            cursor.execute(compiled.string, values if order is None else [values[name] for name in order])
            return cursor.fetchone()
    except connection.dialect.loaded_dbapi.Error as error:
        is_disconnect = connection.dialect.is_disconnect(error, driver, None)
        if is_disconnect:
            connection.invalidate(error)
        translate = connection.get_execution_options()["translate"]  # wiring.connect sets it
        raise translate(error, is_disconnect=is_disconnect) or error from error


@lru_cache(1024)  # above the number of statements, unless many searches have different numbers of words
def _compiled(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> SQLCompiler:
    return statement.compile(dialect=dialect)
