"""The tables in which a sync pairs incoming rows with stored ones. They are empty between syncs.

On PostgreSQL, the tables of ``metadata`` are permanent and unlogged, so that parallel workers can read them. Syncs can
share them because only one runs at a time. The tables of ``temporary`` are temporary there, but on Citus. On SQLite all
are temporary, so they are never written to the database's file.
"""

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import BigInteger, Column, Connection, Date, MetaData, Table
from sqlalchemy.schema import CreateTable

from paymentagg.adapters.sql.tables import ExactText

metadata = MetaData()
temporary = MetaData()
UNLOGGED = ["UNLOGGED"]

staged_patients = Table(
    "staged_patients",
    metadata,
    Column("row", BigInteger, nullable=False),
    Column("external_id", ExactText, nullable=False),
    Column("first_name", ExactText),
    Column("last_name", ExactText),
    Column("middle_name", ExactText),
    Column("date_of_birth", Date),
    Column("search_name", ExactText),
    prefixes=UNLOGGED,
)
"""The rows of the snapshot. Rows that the reader rejected have their external id only, and NULL in all fields.

``search_name`` is NULL if it is only in lower case what the others have."""

staged_payments = Table(
    "staged_payments",
    metadata,
    Column("row", BigInteger, nullable=False),
    Column("external_id", ExactText, nullable=False),
    Column("patient_external_id", ExactText),
    Column("amount_cents", BigInteger),
    prefixes=UNLOGGED,
)

paired_patients = Table(
    "paired_patients",
    temporary,
    Column("row", BigInteger),
    Column("external_id", ExactText, nullable=False),
    Column("first_name", ExactText),
    Column("last_name", ExactText),
    Column("middle_name", ExactText),
    Column("date_of_birth", Date),
    Column("search_name", ExactText),
    Column("stored_id", BigInteger),
)
"""The pairs that differ. ``row`` is NULL if the snapshot has no such row, ``stored_id`` if no such row is stored."""

paired_payments = Table(
    "paired_payments",
    temporary,
    Column("row", BigInteger),
    Column("external_id", ExactText, nullable=False),
    Column("patient_id", BigInteger),
    Column("amount_cents", BigInteger),
    Column("stored_id", BigInteger),
    Column("stored_patient_id", BigInteger),
    Column("stored_amount_cents", BigInteger),
)
"""Like ``paired_patients``. ``patient_id`` is NULL if the patient isn't stored."""

disputed_ids = Table("disputed_ids", metadata, Column("external_id", ExactText, primary_key=True), prefixes=UNLOGGED)
"""The external ids whose pairs the domain decides one by one."""

rejected_rows = Table("rejected_rows", metadata, Column("row", BigInteger, primary_key=True), prefixes=UNLOGGED)
"""The rows that the domain rejected."""


def create(connection: Connection, tables: Iterable[Table], kind: Literal["TEMPORARY", "UNLOGGED"]) -> None:
    """Create those of the tables that don't exist yet."""
    for table in tables:
        columns = str(CreateTable(table).compile(connection)).partition("(")[2]
        connection.exec_driver_sql(f"CREATE {kind} TABLE IF NOT EXISTS {table.name} ({columns}")
