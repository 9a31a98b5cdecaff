"""What a sync needs of a database engine beyond SQL that both speak: SQLite and PostgreSQL each answer in a room."""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import Connection, Table

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

    def load(self, connection: Connection, table: Table, batches: Iterable[Rows]) -> None:
        """Fill a working table with rows in the order of its columns, as fast as the engine can."""

    def analyze(self, connection: Connection, table: Table) -> None:
        """Let the planner see what a working table holds."""
