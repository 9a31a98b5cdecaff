"""The first schema: patients, payments, their totals, the record of syncs; on PostgreSQL the working tables of a sync.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"

    def only_sqlite(condition: str, name: str) -> list[sa.CheckConstraint]:
        return [sa.CheckConstraint(condition, name=name)] if on_sqlite else []

    def own_columns(table: str) -> list[sa.schema.SchemaItem]:
        return [
            sa.Column("id", ROW_ID, sa.Identity(always=True), nullable=False),
            sa.Column("external_id", TEXT, nullable=False),
            sa.Column("created", TIME, nullable=False),
            sa.Column("updated", TIME, nullable=False),
            sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
            sa.CheckConstraint("length(external_id) BETWEEN 1 AND 250", name=f"ck_{table}_external_id_length"),
            sa.CheckConstraint("external_id = trim(external_id)", name=f"ck_{table}_external_id_trimmed"),
        ]

    op.create_table(
        "patients",
        *own_columns("patients"),
        sa.Column("first_name", TEXT, nullable=False),
        sa.Column("last_name", TEXT, nullable=False),
        sa.Column("middle_name", TEXT),
        sa.Column("date_of_birth", sa.Date()),
        *(
            sa.CheckConstraint(f"trim({name}) <> '' AND length({name}) <= 250", name=f"ck_patients_{name}")
            for name in ("first_name", "last_name", "middle_name")
        ),
        *only_sqlite("date_of_birth IS date(date_of_birth, '+0 days')", "ck_patients_date_of_birth"),
        sa.CheckConstraint(
            "date_of_birth BETWEEN '0001-01-01' AND '9999-12-31'", name="ck_patients_date_of_birth_range"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_patients_external_id", "patients", ["external_id"], unique=True)
    op.create_index("ix_patients_last_name_id", "patients", ["last_name", "id"])

    op.create_table(
        "payments",
        *own_columns("payments"),
        sa.Column("patient_id", ROW_ID, nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_payments_patient_id_patients"),
        sa.CheckConstraint("amount_cents BETWEEN -999999999999 AND 999999999999", name="ck_payments_amount_range"),
        *only_sqlite("typeof(amount_cents) = 'integer'", "ck_payments_amount_exact"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_payments_external_id", "payments", ["external_id"], unique=True)
    op.create_index("ix_payments_patient_id_id", "payments", ["patient_id", "id"])

    op.create_table(
        "payment_totals",
        sa.Column("patient_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("payment_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("patient_id", name="pk_payment_totals"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"], name="fk_payment_totals_patient_id_patients"),
        sa.CheckConstraint(
            "payment_count > 0 OR payment_count = 0 AND total_cents = 0", name="ck_payment_totals_count"
        ),
        *only_sqlite("typeof(total_cents) = 'integer'", "ck_payment_totals_total_exact"),
    )
    op.create_index(
        "ix_payment_totals_total_cents_patient_id_payment_count",
        "payment_totals",
        ["total_cents", "patient_id", "payment_count"],
    )

    op.create_table(
        "syncs",
        sa.Column("id", ROW_ID, sa.Identity(always=True), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("patients_digest", sa.Text()),
        sa.Column("payments_digest", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_syncs"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_syncs_changed", "syncs", ["id"], postgresql_where=sa.text("changed"), sqlite_where=sa.text("changed = 1")
    )
    if not on_sqlite:
        create_working_tables()


def create_working_tables() -> None:
    """Create the permanent working tables of a sync, which only PostgreSQL has."""

    def create(name: str, *columns: sa.schema.SchemaItem) -> None:
        op.create_table(name, *columns, prefixes=["UNLOGGED"])

    def patient_fields() -> list[sa.schema.SchemaItem]:
        return [
            sa.Column("external_id", TEXT, nullable=False),
            sa.Column("first_name", TEXT),
            sa.Column("last_name", TEXT),
            sa.Column("middle_name", TEXT),
            sa.Column("date_of_birth", sa.Date()),
        ]

    def number(name: str, *, nullable: bool = True) -> sa.Column[int]:
        return sa.Column(name, sa.BigInteger(), nullable=nullable)

    def external_id() -> sa.Column[str]:
        return sa.Column("external_id", TEXT, nullable=False)

    create("staged_patients", number("row", nullable=False), *patient_fields())
    create(
        "staged_payments",
        number("row", nullable=False),
        external_id(),
        sa.Column("patient_external_id", TEXT),
        number("amount_cents"),
    )
    create("disputed_ids", external_id(), sa.PrimaryKeyConstraint("external_id"))
    create("rejected_rows", number("row", nullable=False), sa.PrimaryKeyConstraint("row"))


def downgrade() -> None:
    """Drop the tables."""
    if op.get_bind().dialect.name == "postgresql":
        for table in (
            "rejected_rows",
            "disputed_ids",
            "staged_payments",
            "staged_patients",
        ):
            op.drop_table(table)
    for table in ("syncs", "payment_totals", "payments", "patients"):
        op.drop_table(table)
