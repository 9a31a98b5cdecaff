"""Exports, each streamed from one state in its own read-only transaction.

A request gives its connection back before its streamed body is read, so an export has a connection of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection, Select
from typing_extensions import override

from paymentagg.adapters.sql import patient_statements, statements
from paymentagg.adapters.sql.engines.deadlines import ExportDeadline
from paymentagg.adapters.sql.repositories import version_of
from paymentagg.adapters.sql.row_decoding import patient_views, payment_views
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.ports import Export
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView

T = TypeVar("T")

FETCH = 1_000
"""How many rows are fetched at once."""


class SqlExport(Export):
    """An export on a connection whose transaction sees one state. Closing the export closes the connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._deadline = ExportDeadline(connection)
        self._deadline.begin()
        # By SQLAlchemy, unlike other reads: it begins the transaction, which all rows must be read in.
        self._version = version_of(connection.scalar(statements.VERSION))

    @property
    @override
    def version(self) -> str:
        return self._version

    def has(self, sync: int) -> bool:
        """Return whether its state includes the sync with this id, or a later one."""
        newest: int = self.connection.execute(statements.NEWEST).scalar_one()
        return newest >= sync

    @override
    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        return self._rows(*patient_statements.all_patients(query), patient_views)

    @override
    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        return self._rows(*statements.all_payments(query), payment_views)

    @override
    def close(self) -> None:
        self._deadline.begin()
        with suppress(StorageUnavailable):  # the rows read so far are correct nevertheless
            self.connection.close()
        self._deadline.end()

    def _rows(
        self, statement: Select[Any], parameters: dict[str, Any], views: Callable[[str], list[T]]
    ) -> Iterator[list[T]]:
        self._deadline.begin()
        streamed = statement.execution_options(yield_per=FETCH)
        for rows in self.connection.execute(streamed, parameters).scalars().partitions():
            self._deadline.end()  # clients may be slow
            yield views(f"[{','.join(rows)}]")
            self._deadline.begin()
