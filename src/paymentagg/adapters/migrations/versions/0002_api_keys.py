"""API keys, and which of them each sync was done with.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
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
    # In one statement, since SQLite adds a foreign key only along with its column.
    op.execute("ALTER TABLE syncs ADD COLUMN key_id TEXT CONSTRAINT fk_syncs_key_id_api_keys REFERENCES api_keys (id)")
    op.create_index("ix_syncs_key_id_id", "syncs", ["key_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_syncs_key_id_id", "syncs")
    op.drop_column("syncs", "key_id")
    op.drop_table("api_keys")
