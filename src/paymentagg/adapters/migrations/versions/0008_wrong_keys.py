"""The wrong keys of each address, counted for all processes.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "wrong_keys",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_wrong_keys"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_wrong_keys_began", "wrong_keys", ["began"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("wrong_keys")
