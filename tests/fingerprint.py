"""The complete content of a database: the oracle of the fault tests."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from paymentagg.adapters.sql.engines.postgresql import LOCK

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Content:
    """The data as a practice knows them: by external id, without surrogate ids and times."""

    patients: dict[str, tuple[str, ...]]
    payments: dict[str, tuple[str, int]]
    totals: dict[str, tuple[int, int]]
    """Sum in cents and number of payments, by the patient's external id."""


@dataclass(frozen=True)
class Fingerprint:
    """Equal fingerprints mean the same values in all rows of all tables, and the same indexes and constraints."""

    tables: dict[str, Rows]
    structure: list[str]
    content: Content

    @property
    def syncs(self) -> int:
        """The number of recorded syncs."""
        return len(self.tables["syncs"])

    def follows(self, before: "Fingerprint", content: Content) -> bool:
        """Return whether this is the state after exactly one more sync than ``before``, with this content."""
        return (self.content, self.structure, self.syncs) == (content, before.structure, before.syncs + 1)


def fingerprint(url: str) -> Fingerprint:
    """Return the fingerprint of a database, after any sync has ended, even one in a backend whose client is dead."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            problems = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
            assert problems == ["ok"]
            assert not connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        else:
            connection.execute(LOCK)
        inspector = sa.inspect(connection)
        tables = {name: _rows(connection, name, _key(inspector, name)) for name in inspector.get_table_names()}
        structure = sorted(connection.exec_driver_sql(_STRUCTURE[connection.dialect.name]).scalars())
        content = Content(
            {row[0]: tuple(map(str, row[1:])) for row in connection.exec_driver_sql(_PATIENTS)},
            {row[0]: (row[1], row[2]) for row in connection.exec_driver_sql(_PAYMENTS)},
            {row[0]: (row[1], row[2]) for row in connection.exec_driver_sql(_TOTALS)},
        )
    return Fingerprint(tables, structure, content)


_PATIENTS = "SELECT external_id, first_name, last_name, middle_name, date_of_birth FROM patients"
_PAYMENTS = """
    SELECT payments.external_id, patients.external_id, amount_cents
    FROM payments JOIN patients ON patients.id = patient_id
"""
_TOTALS = """
    SELECT external_id, total_cents, payment_count
    FROM payment_totals JOIN patients ON patients.id = patient_id
"""

_STRUCTURE = {
    "sqlite": "SELECT type || ' ' || name || ' ON ' || tbl_name FROM sqlite_master",
    "postgresql": """
        SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
        UNION ALL
        SELECT conname || ' ON ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND conrelid <> 0
    """,
}


def _rows(connection: sa.Connection, table: str, key: str) -> Rows:
    return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {key}")]


def _key(inspector: sa.Inspector, table: str) -> str:
    """The columns of the primary key: rows that are equal in the first column may come in any order."""
    return ", ".join(inspector.get_pk_constraint(table)["constrained_columns"]) or "1"
