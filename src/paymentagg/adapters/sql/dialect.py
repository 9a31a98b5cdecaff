"""What a sync needs of a database engine beyond SQL that both speak: SQLite and PostgreSQL each answer in a room."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Select, Table
from sqlalchemy.schema import CreateIndex, DropIndex

Rows = Iterable[tuple[Any, ...]]


class SyncEngine(Protocol):
    """The ways of one engine."""

    def lock(self, connection: Connection) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another one holds the lock.
        """

    def clear(self, connection: Connection, *tables: Table) -> None:
        """Empty these working tables."""

    def pair(self, connection: Connection, table: Table, pairs: Select[Any]) -> None:
        """Fill an empty working table with what this selects, in the order of its columns."""

    def load(self, connection: Connection, table: Table, batches: Iterable[Rows]) -> None:
        """Fill a working table with rows in the order of its columns, as fast as the engine can."""

    def analyze(self, connection: Connection, table: Table) -> None:
        """Let the planner see what a working table holds."""

    def filling(self, connection: Connection, table: Table) -> AbstractContextManager[None]:
        """Let a table that is empty be filled quickly within: what can be built afterwards is left off meanwhile."""


@contextmanager
def without_indexes(connection: Connection, table: Table) -> Iterator[None]:
    """Drop the indexes of a table, and create them again behind the block."""
    for index in table.indexes:
        connection.execute(DropIndex(index))
    yield
    for index in table.indexes:
        connection.execute(CreateIndex(index))
