"""The operations of a sync that SQLite and PostgreSQL implement differently."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Select, Table
from sqlalchemy.schema import CreateIndex, DropIndex

from paymentagg.domain.batches import Columns


class SyncDialect(Protocol):
    """The operations of a sync on one database engine."""

    def lock(self, connection: Connection) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another sync holds the lock.
        """

    def clear(self, connection: Connection, *tables: Table) -> None:
        """Delete all rows of these working tables."""

    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        """Fill an empty working table with the result of a query, whose columns are in the order of the table's."""

    def load(self, connection: Connection, table: Table, batches: Iterable[Columns]) -> None:
        """Insert rows, in the columns of a working table and at least one in each batch, by the engine's fastest way.

        Raises:
            StorageUnavailable: the database can't be used; an error of ``batches`` is raised as it is.
        """

    def analyze(self, connection: Connection, table: Table) -> None:
        """Update the query planner's statistics of a working table."""

    def bulk_load(self, connection: Connection, table: Table) -> AbstractContextManager[None]:
        """Drop the indexes and constraints that slow down filling an empty table; create them again after the block."""


@contextmanager
def without_indexes(connection: Connection, table: Table) -> Iterator[None]:
    """Drop the indexes of a table, and create them again after the block."""
    for index in table.indexes:
        connection.execute(DropIndex(index))
    yield
    for index in table.indexes:
        connection.execute(CreateIndex(index))
