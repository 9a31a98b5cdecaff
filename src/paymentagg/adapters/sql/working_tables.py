"""The tables in which a sync puts incoming rows beside stored ones. They are empty between syncs.

On PostgreSQL those of ``metadata`` stand in the schema, unlogged, so that parallel workers can read them; only one sync
runs at a time. All others are temporary, and so are all on SQLite, whose file never sees them.
"""

from sqlalchemy import BigInteger, Column, Date, MetaData, Table

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
    prefixes=UNLOGGED,
)
"""The rows as they came. One that the reader rejected is *bare*: it has its external id alone."""

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
    Column("stored_id", BigInteger),
)
"""The pairs that differ: ``row`` NULL where nothing came, ``stored_id`` NULL where nothing is stored."""

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
"""As above; ``patient_id`` NULL where no such patient is stored."""

disputed_ids = Table("disputed_ids", metadata, Column("external_id", ExactText, primary_key=True), prefixes=UNLOGGED)
"""The external ids whose pairs the domain decides one by one."""

rejected_rows = Table("rejected_rows", metadata, Column("row", BigInteger, primary_key=True), prefixes=UNLOGGED)
"""The rows that the domain rejected."""
