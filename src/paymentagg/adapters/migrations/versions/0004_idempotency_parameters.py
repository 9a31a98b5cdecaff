"""For each sync with an idempotency key: the parameters that it was sent with.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("syncs", sa.Column("idempotency_parameters", sa.Text()))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("syncs", "idempotency_parameters")
