"""API keys. For each sync: its API key, its idempotency key, and when its snapshots were taken.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the API keys and the columns of ``syncs``."""
    # For a while, revision 0001 created these columns itself.
    if "idempotency_key" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("syncs")}:
        op.add_column("syncs", sa.Column("patients_taken_at", TIME))
        op.add_column("syncs", sa.Column("payments_taken_at", TIME))
        op.add_column("syncs", sa.Column("idempotency_key", TEXT))
        op.create_index("ix_syncs_idempotency_key", "syncs", ["idempotency_key"], unique=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("revoked", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.CheckConstraint("role IN ('reader', 'syncer', 'admin')", name="ck_api_keys_role"),
        sa.CheckConstraint("length(secret_sha256) = 64", name="ck_api_keys_secret_sha256"),
    )
    # One statement, because SQLite can add a foreign key only together with its column.
    op.execute("ALTER TABLE syncs ADD COLUMN key_id TEXT CONSTRAINT fk_syncs_key_id_api_keys REFERENCES api_keys (id)")
    op.create_index("ix_syncs_key_id_id", "syncs", ["key_id", "id"])


def downgrade() -> None:
    """Drop the API keys and the columns of ``syncs``."""
    op.drop_index("ix_syncs_key_id_id", "syncs")
    op.drop_column("syncs", "key_id")
    op.drop_table("api_keys")
    op.drop_index("ix_syncs_idempotency_key", "syncs")
    for name in ("idempotency_key", "payments_taken_at", "patients_taken_at"):
        op.drop_column("syncs", name)
