"""Checks of the schema and of the files: what the database enforces, and whether its own checks find damage."""

from collections.abc import Iterator

from sqlalchemy import (
    CheckConstraint,
    Connection,
    Inspector,
    Table,
    exists,
    inspect,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.schema import CreateTable

from paymentagg.adapters.sql import schema, working_tables
from paymentagg.adapters.sql.tables import metadata
from paymentagg.adapters.sql.views import VIEWS
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.verification import Check, Finding

_INVALID = {
    # Constraints that were added without checking the rows, whose triggers are disabled, and indexes left incomplete.
    "constraint": "SELECT conrelid::regclass::text, conname FROM pg_constraint"
    " WHERE NOT convalidated AND connamespace = current_schema()::regnamespace",
    "foreign key": "SELECT tgrelid::regclass::text, conname"
    " FROM pg_trigger JOIN pg_constraint ON tgconstraint = pg_constraint.oid"
    " WHERE tgenabled <> 'O' AND contype = 'f' AND connamespace = current_schema()::regnamespace GROUP BY 1, 2",
    "index": "SELECT indrelid::regclass::text, relname FROM pg_index JOIN pg_class ON indexrelid = pg_class.oid"
    " WHERE NOT (indisvalid AND indisready AND indislive) AND relnamespace = current_schema()::regnamespace",
}


class StructureChecks:
    """The checks of the schema and of the files, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_sqlite = connection.dialect.name == "sqlite"
        self.is_complete = True
        """Whether all tables and columns exist, so that the rows can be read; valid when all findings were yielded."""

    def findings(self) -> Iterator[Finding]:
        """Check everything that can be checked without reading the tables' contents.

        Raises:
            StorageUnavailable: the schema is that of another version.
        """
        schema.check(self._connection)
        inspector = inspect(self._connection)
        existing = set(inspector.get_table_names())
        for table in metadata.sorted_tables:
            if table.name in existing:
                yield from self._table(inspector, table)
            else:
                self.is_complete = False
                yield Finding(Check.SCHEMA, f"table {table.name}")
        yield from self._views(inspector)
        if self._is_sqlite:
            yield from self._file()
            yield from self._index_sizes(existing)
        else:
            yield from self._invalid()

    def _table(self, inspector: Inspector, table: Table) -> Iterator[Finding]:
        """Check that a table has the columns, constraints and indexes that it is defined with."""
        columns = {column["name"]: column for column in inspector.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                self.is_complete = False
                yield Finding(Check.SCHEMA, f"{table.name}: column {column.name}")
            elif columns[column.name]["nullable"] and not column.nullable:
                yield Finding(Check.SCHEMA, f"{table.name}: NOT NULL of {column.name}")
        primary = inspector.get_pk_constraint(table.name)["constrained_columns"]
        if set(primary) != {column.name for column in table.primary_key}:
            yield Finding(Check.SCHEMA, f"{table.name}: primary key")
        indexes = {
            index["name"]: (index["column_names"], bool(index["unique"])) for index in inspector.get_indexes(table.name)
        }
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            if indexes.get(str(index.name)) != ([column.name for column in index.columns], bool(index.unique)):
                yield Finding(Check.SCHEMA, f"{table.name}: index {index.name}")
        checks = {str(check["name"]) for check in inspector.get_check_constraints(table.name)}
        for name in sorted(self._check_names(table) - checks):
            yield Finding(Check.SCHEMA, f"{table.name}: constraint {name}")
        keys = {(*key["constrained_columns"], key["referred_table"]) for key in inspector.get_foreign_keys(table.name)}
        for reference in table.foreign_keys:
            if (reference.parent.name, reference.column.table.name) not in keys:
                yield Finding(Check.SCHEMA, f"{table.name}: foreign key of {reference.parent.name}")

    def _views(self, inspector: Inspector) -> Iterator[Finding]:
        """Check that the views for analysts have their columns."""
        existing = set(inspector.get_view_names())
        for name, columns in VIEWS.items():
            if name not in existing:
                yield Finding(Check.SCHEMA, f"view {name}")
            elif tuple(column["name"] for column in inspector.get_columns(name)) != columns:
                yield Finding(Check.SCHEMA, f"view {name}: columns")

    def _check_names(self, table: Table) -> set[str]:
        """Return the names of the CHECK constraints that a table has on this engine."""
        dialect = self._connection.dialect
        checks = (constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint))
        names = map(dialect.identifier_preparer.format_constraint, checks)
        statement = str(CreateTable(table).compile(dialect=dialect))
        return {name for name in names if name is not None and f"CONSTRAINT {name} " in statement}

    def _file(self) -> Iterator[Finding]:
        """Let SQLite check its pages, that no required value is missing, and the CHECK constraints."""
        for (line,) in self._connection.exec_driver_sql("PRAGMA quick_check"):
            if line != "ok":
                yield Finding(Check.STRUCTURE, f"{line}:")

    def _index_sizes(self, existing: set[str]) -> Iterator[Finding]:
        """Compare the number of entries of each SQLite index with that of its table's rows."""
        count = "SELECT count(*) FROM (SELECT 1 FROM {} {} LIMIT -1)"  # LIMIT: else it would count another index
        for table in metadata.sorted_tables:
            found = self._connection.exec_driver_sql(f"PRAGMA index_list({table.name})")
            names = [name for _, name, _, _, is_partial in found if not is_partial]
            own = {str(index.name) for index in table.indexes}.intersection(names) if table.name in existing else set()
            rows = self._connection.exec_driver_sql(count.format(table.name, "NOT INDEXED")).scalar() if own else 0
            for name in sorted(own):
                entries = self._connection.exec_driver_sql(count.format(table.name, f"INDEXED BY {name}")).scalar()
                if entries != rows:
                    yield Finding(Check.INDEX, f"{table.name}: index {name}")

    def _invalid(self) -> Iterator[Finding]:
        """Find what PostgreSQL has in its schema and doesn't enforce."""
        for kind, statement in _INVALID.items():
            for table, name in self._connection.execute(text(statement)):
                yield Finding(Check.SCHEMA, f"{table}: {kind} {name}")


def full_working_tables(connection: Connection) -> list[str]:
    """Return the names of PostgreSQL's working tables that have rows, none if a sync is using them.

    Args:
        connection: for this alone. A sync locks these tables until it ends, and would wait for a transaction that has
            read them.

    Raises:
        StorageUnavailable: the database can't be read.
    """
    from paymentagg.adapters.sql.engines import postgresql  # imports psycopg2, which SQLite doesn't need

    tables = working_tables.metadata.sorted_tables
    full = (select(literal(table.name)).where(exists().select_from(table)) for table in tables)
    try:
        connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
        return list(connection.execute(union_all(*full)).scalars())
    except StorageUnavailable as error:
        if postgresql.is_lock_timeout(error):
            return []
        raise
