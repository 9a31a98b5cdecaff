"""The tables in SQLAlchemy Core. The migrations create them; a test compares both.

Money is stored in whole cents, so sums and comparisons are exact: SQLite's NUMERIC is a float. The collation "C" makes
PostgreSQL compare texts by code point, as SQLite does.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.schema import SchemaItem
from typing_extensions import override

from paymentagg.domain.access import Role
from paymentagg.domain.model import Model
from paymentagg.domain.money import DECIMALS, MAX_INTEGER_DIGITS
from paymentagg.domain.text import MAX_TEXT

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

COUNTS = ("created", "updated", "deleted", "rejected")
"""The counts of a sync that are columns, for each model: ``patients_created``, ..."""
AFTER = ("patients_after", "payments_after", "cents_after")

MAX_CENTS = 10 ** (MAX_INTEGER_DIGITS + DECIMALS) - 1
"""The largest amount of a payment, in cents."""


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. Naive times raise a ValueError: PostgreSQL would assume a zone. SQLite stores no offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)

    @override
    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        # PostgreSQL's driver returns aware times in UTC: don't call process_result_value for each value.
        if dialect.name == "postgresql":
            return self.impl_instance.result_processor(dialect, coltype)
        return super().result_processor(dialect, coltype)


RowId = BigInteger().with_variant(Integer(), "sqlite")
ExactText = Text().with_variant(Text(collation="C"), "postgresql")


def _own_columns() -> list[SchemaItem]:
    """Return the columns and constraints that every model has."""
    return [
        Column("id", RowId, Identity(always=True), primary_key=True),
        Column("external_id", ExactText, nullable=False),
        Column("created", UtcTime, nullable=False),
        Column("updated", UtcTime, nullable=False),
        Index(None, "external_id", unique=True),  # not a constraint: SQLite can drop only indexes before a first load
        CheckConstraint(f"length(external_id) BETWEEN 1 AND {MAX_TEXT}", name="external_id_length"),
        CheckConstraint("external_id = trim(external_id)", name="external_id_trimmed"),
    ]


patients = Table(
    "patients",
    metadata,
    *_own_columns(),
    Column("first_name", ExactText, nullable=False),
    Column("last_name", ExactText, nullable=False),
    Column("middle_name", ExactText),
    Column("date_of_birth", Date),
    Column("search_name", ExactText),
    CheckConstraint(f"trim(first_name) <> '' AND length(first_name) <= {MAX_TEXT}", name="first_name"),
    CheckConstraint(f"trim(last_name) <> '' AND length(last_name) <= {MAX_TEXT}", name="last_name"),
    CheckConstraint(f"trim(middle_name) <> '' AND length(middle_name) <= {MAX_TEXT}", name="middle_name"),
    CheckConstraint("date_of_birth IS date(date_of_birth, '+0 days')", name="date_of_birth").ddl_if(dialect="sqlite"),
    CheckConstraint("date_of_birth BETWEEN '0001-01-01' AND '9999-12-31'", name="date_of_birth_range"),
    Index(None, "last_name", "id"),
    sqlite_autoincrement=True,  # the id of a deleted row is never reused, as on PostgreSQL
)
"""``search_name``: see ``domain.search``; it follows from the other columns and is written with them."""

payments = Table(
    "payments",
    metadata,
    *_own_columns(),
    Column("patient_id", RowId, ForeignKey(patients.c.id), nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    CheckConstraint(f"amount_cents BETWEEN -{MAX_CENTS} AND {MAX_CENTS}", name="amount_range"),
    CheckConstraint("typeof(amount_cents) = 'integer'", name="amount_exact").ddl_if(dialect="sqlite"),
    Index(None, "patient_id", "id"),
    sqlite_autoincrement=True,
)

TABLES = {Model.PATIENT: patients, Model.PAYMENT: payments}
"""The stored rows by model."""

payment_totals = Table(
    "payment_totals",
    metadata,
    Column("patient_id", RowId, ForeignKey(patients.c.id), primary_key=True, autoincrement=False),
    Column("total_cents", BigInteger, nullable=False),
    Column("payment_count", BigInteger, nullable=False),
    CheckConstraint("payment_count > 0 OR payment_count = 0 AND total_cents = 0", name="count"),
    CheckConstraint("typeof(total_cents) = 'integer'", name="total_exact").ddl_if(dialect="sqlite"),
    Index(None, "total_cents", "patient_id", "payment_count"),  # covers a page of totals
)
"""One row for each patient, updated by the sync that changes their payments."""

TOTAL_COLUMNS = [column.name for column in payment_totals.columns]

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_sha256", Text, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("expires", UtcTime, nullable=False),
    Column("revoked", UtcTime),
    Column("last_used", UtcTime),
    CheckConstraint(f"role IN ({', '.join(repr(role.value) for role in Role)})", name="role"),
    CheckConstraint("length(secret_sha256) = 64", name="secret_sha256"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("key_id", Text, ForeignKey(api_keys.c.id), nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("expires", UtcTime, nullable=False),
    CheckConstraint("length(digest) = 64", name="digest"),
    sqlite_with_rowid=False,
)
"""The sessions of browsers that are signed in, until they expire."""

wrong_keys = Table(
    "wrong_keys",
    metadata,
    Column("address", Text, primary_key=True),
    Column("began", UtcTime, nullable=False),
    Column("wrong", Integer, nullable=False),
    Index(None, "began"),
    sqlite_with_rowid=False,
)
"""How many wrong API keys each address has sent since ``began``; rows are deleted when their window has ended."""


def _figures() -> list[SchemaItem]:
    """Return the columns of ``syncs`` from which figures by day are computed: the reports would have to be parsed."""
    counts = [f"{model.plural}_{count}" for model in Model for count in COUNTS]
    return [
        *(Column(name, BigInteger, nullable=False, server_default="0") for name in counts),
        *(Column(name, BigInteger) for name in AFTER),
    ]


syncs = Table(
    "syncs",
    metadata,
    Column("id", RowId, Identity(always=True), primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=False),
    Column("changed", Boolean, nullable=False),
    Column("report", Text, nullable=False),
    Column("patients_digest", Text),
    Column("payments_digest", Text),
    Column("patients_taken_at", UtcTime),
    Column("payments_taken_at", UtcTime),
    Column("idempotency_key", ExactText),
    Column("idempotency_parameters", Text),
    Column("key_id", Text, ForeignKey(api_keys.c.id)),
    Column("undoes", BigInteger),
    Column("patients_held", Text),
    Column("payments_held", Text),
    Column("patients_last_id", BigInteger),
    Column("payments_last_id", BigInteger),
    *_figures(),
    Index(None, "idempotency_key", unique=True),
    Index(None, "key_id", "id"),
    sqlite_autoincrement=True,
)
"""``undoes``: the sync that this one has taken back. ``..._held``: the digests of that sync's snapshots, which are
refused since. ``..._last_id``: the largest id stored when the sync began; the rows that it created have larger ones.
The counts are those of the report. ``..._after``: the rows and the sum of all payments after the sync; NULL in syncs
of former versions."""

row_changes = Table(
    "row_changes",
    metadata,
    Column("sync_id", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    Column("row_id", BigInteger, primary_key=True, autoincrement=False),
    Column("external_id", ExactText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("patient_external_id", ExactText),
    Column("new_patient_external_id", ExactText),
    Column("before", Text, nullable=False),
    Column("after", Text),
    CheckConstraint("model IN ('patient', 'payment')", name="model"),
    CheckConstraint("kind = 'updated' AND after IS NOT NULL OR kind = 'deleted' AND after IS NULL", name="kind"),
    Index(None, "model", "external_id", "sync_id"),
    sqlite_with_rowid=False,
)
"""The rows that syncs have updated and deleted, with their fields as JSON objects; those that they created aren't here.

``before`` of a patient has firstName, lastName, middleName, dateOfBirth and searchName; of a payment patientId (the
external id), patient (the row's id) and cents; of both created and updated, as the engine writes times. ``after`` has
the same without times. ``patient_external_id`` is a payment's patient before the sync, ``new_patient_external_id`` the
one after it if it is another. There is no foreign key to ``syncs``: a sync is recorded after its changes.
"""

rejections = Table(
    "rejections",
    metadata,
    Column("sync_id", BigInteger, primary_key=True, autoincrement=False),
    Column("model", Text, primary_key=True),
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("external_id", ExactText),
    Column("field", Text),
    Column("code", Text, nullable=False),
    Column("value", Text),
    CheckConstraint("model IN ('patient', 'payment')", name="model"),
    Index(None, "model", "external_id"),
    sqlite_with_rowid=False,
)
"""The first rows that each sync rejected."""
