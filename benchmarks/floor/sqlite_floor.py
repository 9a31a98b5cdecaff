"""The floor on SQLite: a script written by hand with the standard library. It takes ready TSV and checks nothing.

python benchmarks/floor/sqlite_floor.py {patients,payments} DATABASE FILE.tsv
"""

import csv
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS patients (
    id INTEGER PRIMARY KEY AUTOINCREMENT, external_id TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
    first_name TEXT NOT NULL, last_name TEXT NOT NULL, middle_name TEXT, date_of_birth TEXT
);
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, external_id TEXT NOT NULL, created TEXT NOT NULL, updated TEXT NOT NULL,
    patient_id INTEGER NOT NULL REFERENCES patients, amount_cents INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS payment_totals (
    patient_id INTEGER PRIMARY KEY REFERENCES patients, total_cents INTEGER NOT NULL, payment_count INTEGER NOT NULL
);
"""
INDEXES = {
    "uq_patients": "CREATE UNIQUE INDEX uq_patients ON patients (external_id)",
    "ix_patients_last_name": "CREATE INDEX ix_patients_last_name ON patients (last_name, id)",
    "uq_payments": "CREATE UNIQUE INDEX uq_payments ON payments (external_id)",
    "ix_payments_patient_id": "CREATE INDEX ix_payments_patient_id ON payments (patient_id, id)",
    "ix_payment_totals": "CREATE INDEX ix_payment_totals ON payment_totals (total_cents, patient_id)",
}
REBUILT = {"payments": list(INDEXES)[2:], "patients": ["uq_patients", "ix_patients_last_name", "ix_payment_totals"]}
"""The indexes that a first load of a model drops before it and builds afterwards."""

COLUMNS = {"payments": "external_id, patient, amount_cents", "patients": "external_id, first, last, middle, birth"}

DIFFERING = {
    "payments": """
        CREATE TEMPORARY TABLE differing AS
        SELECT stored.id, stored.patient_id AS old_patient, stored.amount_cents AS old_cents,
            sent.external_id, patients.id AS patient_id, sent.amount_cents
        FROM staged AS sent CROSS JOIN patients ON patients.external_id = sent.patient
        FULL JOIN payments AS stored ON stored.external_id = sent.external_id
        WHERE stored.amount_cents IS NOT sent.amount_cents OR stored.patient_id IS NOT patients.id
    """,
    "patients": """
        CREATE TEMPORARY TABLE differing AS
        SELECT stored.id, sent.*
        FROM staged AS sent FULL JOIN patients AS stored ON stored.external_id = sent.external_id
        WHERE stored.first_name IS NOT sent.first OR stored.last_name IS NOT sent.last
            OR stored.middle_name IS NOT sent.middle OR stored.date_of_birth IS NOT sent.birth
    """,
}
CHANGES = {
    "payments": [
        "DELETE FROM payments WHERE id IN (SELECT id FROM differing WHERE external_id IS NULL)",
        """UPDATE payments SET patient_id = new.patient_id, amount_cents = new.amount_cents, updated = :now
            FROM differing AS new WHERE payments.id = new.id AND new.external_id IS NOT NULL""",
        """INSERT INTO payments (external_id, created, updated, patient_id, amount_cents)
            SELECT external_id, :now, :now, patient_id, amount_cents FROM differing WHERE id IS NULL""",
        """UPDATE payment_totals SET total_cents = total_cents + touched.cents,
                payment_count = payment_count + touched.payments
            FROM (
                SELECT patient_id, sum(cents) AS cents, sum(one) AS payments
                FROM (
                    SELECT patient_id, amount_cents AS cents, 1 AS one FROM differing WHERE external_id IS NOT NULL
                    UNION ALL
                    SELECT old_patient, -old_cents, -1 FROM differing WHERE id IS NOT NULL
                )
                GROUP BY patient_id
            ) AS touched
            WHERE payment_totals.patient_id = touched.patient_id""",
    ],
    "patients": [
        "DELETE FROM payments WHERE patient_id IN (SELECT id FROM differing WHERE external_id IS NULL)",
        "DELETE FROM payment_totals WHERE patient_id IN (SELECT id FROM differing WHERE external_id IS NULL)",
        "DELETE FROM patients WHERE id IN (SELECT id FROM differing WHERE external_id IS NULL)",
        """UPDATE patients SET first_name = new.first, last_name = new.last, middle_name = new.middle,
                date_of_birth = new.birth, updated = :now
            FROM differing AS new WHERE patients.id = new.id AND new.external_id IS NOT NULL""",
        """INSERT INTO patients (external_id, created, updated, first_name, last_name, middle_name, date_of_birth)
            SELECT external_id, :now, :now, first, last, middle, birth FROM differing WHERE id IS NULL""",
        """INSERT INTO payment_totals SELECT id, 0, 0 FROM patients
            WHERE id > ifnull((SELECT max(patient_id) FROM payment_totals), 0)""",
    ],
}


def main() -> None:
    """Sync the file into the database in one transaction."""
    model, database, file = sys.argv[1:]
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA cache_size = -65536")
    create(connection)
    connection.execute("BEGIN IMMEDIATE")
    is_first = connection.execute(f"SELECT NOT EXISTS (SELECT 1 FROM {model})").fetchone()[0]  # noqa: S608
    stage(connection, model, Path(file))
    if is_first:
        for index in REBUILT[model]:
            connection.execute(f"DROP INDEX {index}")
    connection.execute(DIFFERING[model])
    now = {"now": datetime.now(UTC).isoformat(" ")}
    for statement in CHANGES[model]:
        connection.execute(statement, now if ":now" in statement else {})
    if is_first:
        for index in REBUILT[model]:
            connection.execute(INDEXES[index])
    connection.execute("COMMIT")
    connection.close()


def create(connection: sqlite3.Connection) -> None:
    """Create the tables and indexes unless they exist."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'patients'").fetchone():
        connection.executescript(SCHEMA + ";".join(INDEXES.values()))


def stage(connection: sqlite3.Connection, model: str, file: Path) -> None:
    """Read the file into a temporary table, ``staged``, for the join."""
    columns = COLUMNS[model].split(", ")
    typed = ", ".join(f"{name} {'INTEGER' if name == 'amount_cents' else 'TEXT'}" for name in columns)
    connection.execute(f"CREATE TEMPORARY TABLE staged ({typed})")
    with file.open(encoding="utf-8", newline="") as text:
        lines = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows: Iterable[Sequence[str | None]] = with_nulls(lines) if model == "patients" else lines
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO staged VALUES ({marks})", rows)  # noqa: S608


def with_nulls(rows: Iterable[list[str]]) -> Iterator[list[str | None]]:
    r"""Yield the rows with each ``\N`` replaced by None."""
    for row in rows:
        yield [None if field == "\\N" else field for field in row]


if __name__ == "__main__":
    main()
