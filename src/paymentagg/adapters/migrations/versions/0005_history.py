"""What each sync changed and rejected, and what an undo needs.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine[int] | sa.types.TypeEngine[str]] = {
    "undoes": sa.BigInteger(),
    "patients_held": sa.Text(),
    "payments_held": sa.Text(),
    "patients_last_id": sa.BigInteger(),
    "payments_last_id": sa.BigInteger(),
}
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables and add the columns."""
    for name, kind in COLUMNS.items():
        op.add_column("syncs", sa.Column(name, kind))
    is_undo = sa.text("undoes IS NOT NULL")
    op.create_index("ix_syncs_undoes", "syncs", ["undoes"], postgresql_where=is_undo, sqlite_where=is_undo)

    op.create_table(
        "row_changes",
        sa.Column("sync_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("patient_external_id", TEXT),
        sa.Column("new_patient_external_id", TEXT),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text()),
        sa.PrimaryKeyConstraint("sync_id", "model", "row_id", name="pk_row_changes"),
        sa.CheckConstraint("model IN ('patient', 'payment')", name="ck_row_changes_model"),
        sa.CheckConstraint(
            "kind = 'updated' AND after IS NOT NULL OR kind = 'deleted' AND after IS NULL", name="ck_row_changes_kind"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_row_changes_model_external_id_sync_id", "row_changes", ["model", "external_id", "sync_id"])
    for column in ("patient_external_id", "new_patient_external_id"):
        is_known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_row_changes_{column}_sync_id",
            "row_changes",
            [column, "sync_id"],
            postgresql_where=is_known,
            sqlite_where=is_known,
        )

    is_deleted = sa.text("kind = 'deleted'")
    op.create_index(
        "ix_row_changes_deleted",
        "row_changes",
        ["model", "row_id", "sync_id"],
        postgresql_where=is_deleted,
        sqlite_where=is_deleted,
    )

    op.create_table(
        "rejections",
        sa.Column("sync_id", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("external_id", TEXT),
        sa.Column("field", sa.Text()),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.PrimaryKeyConstraint("sync_id", "model", "row", name="pk_rejections"),
        sa.CheckConstraint("model IN ('patient', 'payment')", name="ck_rejections_model"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_rejections_model_external_id", "rejections", ["model", "external_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("rejections")
    op.drop_table("row_changes")
    op.drop_index("ix_syncs_undoes", "syncs")
    for name in COLUMNS:
        op.drop_column("syncs", name)
