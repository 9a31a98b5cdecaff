"""The tables, as SQLAlchemy Core knows them. The migrations create them; a test holds both against each other.

Money is stored as whole cents on every engine: exact in sums and comparisons, where SQLite's NUMERIC is a float.
Texts compare by code point on every engine, hence the collation "C".
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from operator import mul
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
    text,
)
from sqlalchemy.schema import SchemaItem

from paymentagg.domain.access import Role
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

MAX_CENTS = 10 ** (MAX_INTEGER_DIGITS + DECIMALS) - 1


def to_cents(amount: Decimal) -> int:
    """Return an amount of at most two decimals in cents."""
    return int(amount * 100)


def cents_of(amounts: Iterable[Decimal]) -> Iterator[int]:
    """Yield many amounts in cents, without a call of Python's for each."""
    return map(int, map(mul, amounts, repeat(100)))


def from_cents(cents: int) -> Decimal:
    """Return cents as an amount with exactly two decimals."""
    return Decimal(cents).scaleb(-DECIMALS)


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC. Naive ones are refused: SQLite loses the offset, PostgreSQL guesses a missing one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone can't be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        # What PostgreSQL's driver returns is right already: each value is spared a call.
        if dialect.name == "postgresql":
            return self.impl_instance.result_processor(dialect, coltype)
        return super().result_processor(dialect, coltype)


RowId = BigInteger().with_variant(Integer(), "sqlite")
ExactText = Text().with_variant(Text(collation="C"), "postgresql")


def _own_columns() -> list[SchemaItem]:
    """What every model has beside its own fields."""
    return [
        Column("id", RowId, Identity(always=True), primary_key=True),
        Column("external_id", ExactText, nullable=False),
        Column("created", UtcTime, nullable=False),
        Column("updated", UtcTime, nullable=False),
        Index(None, "external_id", unique=True),  # an index, so that a first load can build it afterwards on SQLite too
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
    CheckConstraint(f"trim(first_name) <> '' AND length(first_name) <= {MAX_TEXT}", name="first_name"),
    CheckConstraint(f"trim(last_name) <> '' AND length(last_name) <= {MAX_TEXT}", name="last_name"),
    CheckConstraint(f"trim(middle_name) <> '' AND length(middle_name) <= {MAX_TEXT}", name="middle_name"),
    CheckConstraint("date_of_birth IS date(date_of_birth, '+0 days')", name="date_of_birth").ddl_if(dialect="sqlite"),
    CheckConstraint("date_of_birth BETWEEN '0001-01-01' AND '9999-12-31'", name="date_of_birth_range"),
    Index(None, "last_name", "id"),
    sqlite_autoincrement=True,  # an id that was deleted never comes back, as on PostgreSQL
)

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

payment_totals = Table(
    "payment_totals",
    metadata,
    Column("patient_id", RowId, ForeignKey(patients.c.id), primary_key=True, autoincrement=False),
    Column("total_cents", BigInteger, nullable=False),
    Column("payment_count", BigInteger, nullable=False),
    CheckConstraint("payment_count > 0 OR payment_count = 0 AND total_cents = 0", name="count"),
    CheckConstraint("typeof(total_cents) = 'integer'", name="total_exact").ddl_if(dialect="sqlite"),
    Index(None, "total_cents", "patient_id", "payment_count"),  # all that a page of totals needs
)
"""One row a patient, maintained by the sync that touches their payments."""

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
    CheckConstraint(f"role IN ({', '.join(repr(role.value) for role in Role)})", name="role"),
    CheckConstraint("length(secret_sha256) = 64", name="secret_sha256"),
)

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
    Column("key_id", Text, ForeignKey(api_keys.c.id)),
    Index(None, "idempotency_key", unique=True),
    Index(None, "key_id", "id"),
    sqlite_autoincrement=True,
)
Index("ix_syncs_changed", syncs.c.id, postgresql_where=syncs.c.changed, sqlite_where=text("changed = 1"))
