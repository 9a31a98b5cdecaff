"""The operations of a sync that SQLite and PostgreSQL implement differently."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, Connection, Insert, Select, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, DropIndex

from paymentagg.domain.batches import Columns


class SyncDialect(Protocol):
    """The operations of a sync on one database engine."""

    def lock(self, connection: Connection) -> None:
        """Make this the only sync until the transaction ends.

        Raises:
            SyncInProgress: another sync holds the lock.
        """

    def next_id(self, table: Table) -> ColumnElement[int]:
        """Return the expression for the next id of a table; only while this is the only sync."""

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


class InsertWithIds(Insert):
    """An INSERT that gives the rows' ids, which PostgreSQL otherwise refuses: the engine generates them always."""

    inherit_cache = True


@compiles(InsertWithIds)
def _with_ids(element: InsertWithIds, compiler: Any, **options: Any) -> str:
    statement: str = compiler.visit_insert(element, **options)
    if compiler.dialect.name == "postgresql":
        # SQLAlchemy has no way to say this. The first parenthesis that is closed is that of the columns.
        return statement.replace(") ", ") OVERRIDING SYSTEM VALUE ", 1)
    return statement


class UpsertWithIds(InsertWithIds):
    """An INSERT of whole rows with ids that replaces the rows that have them: all columns but the external id."""

    inherit_cache = True


@compiles(UpsertWithIds)
def _(element: UpsertWithIds, compiler: Any, **options: Any) -> str:
    names = [column.name for column in cast(Table, element.table).columns if column.name not in {"id", "external_id"}]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"{_with_ids(element, compiler, **options)} ON CONFLICT (id) DO UPDATE SET {changes}"


@contextmanager
def without_indexes(connection: Connection, table: Table) -> Iterator[None]:
    """Drop the indexes of a table, and create them again after the block."""
    for index in table.indexes:
        connection.execute(DropIndex(index))
    yield
    for index in table.indexes:
        connection.execute(CreateIndex(index))
