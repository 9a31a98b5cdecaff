"""Whole results, streamed from one state in a read-only transaction of their own.

pyramid_tm commits before a streamed body is read, so an export can't use what the request has.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from paymentagg.adapters.sql import statements
from paymentagg.adapters.sql.repositories import read_version
from paymentagg.adapters.sql.row_decoding import patient_views, payment_views
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView

T = TypeVar("T")

FETCH = 1_000


class SqlExport:
    """See the port Export. The connection is one whose transaction sees one state, and closed with the export."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.version = read_version(connection)

    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        return self._rows(*statements.all_patients(query), patient_views)

    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        return self._rows(*statements.all_payments(query), payment_views)

    def close(self) -> None:
        with suppress(StorageUnavailable):  # what was read is right all the same
            self._connection.close()

    def _rows(
        self, statement: Select[Any], parameters: dict[str, Any], views: Callable[[str], list[T]]
    ) -> Iterator[list[T]]:
        streamed = statement.execution_options(yield_per=FETCH)
        for rows in self._connection.execute(streamed, parameters).scalars().partitions():
            yield views(f"[{','.join(rows)}]")
