"""Whole results, streamed from one state in a read-only transaction of their own.

pyramid_tm commits before a streamed body is read, so an export can't use the request's session.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sqlalchemy import Engine, Select
from sqlalchemy.orm import Session

from paymentagg.adapters.repositories import (
    AnyRow,
    patient_view,
    payment_view,
    read_version,
    select_patients,
    select_payments,
)
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView

T = TypeVar("T")

FETCH = 1_000


class SqlExport:
    """See the port Export."""

    def __init__(self, engine: Engine) -> None:
        self._session = Session(engine)
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        if engine.dialect.name == "postgresql":  # on SQLite any transaction sees one state
            self._session.connection(execution_options=options)
        self.version = read_version(self._session)

    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        return self._rows(select_patients(query, paged=False), patient_view)

    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        return self._rows(select_payments(query, paged=False), payment_view)

    def close(self) -> None:
        self._session.close()

    def _rows(self, statement: Select[Any], view: Callable[[AnyRow], T]) -> Iterator[list[T]]:
        for rows in self._session.execute(statement.execution_options(yield_per=FETCH)).partitions():
            yield [view(row) for row in rows]
