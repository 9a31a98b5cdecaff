"""When each API key was last used.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column ``last_used`` of ``api_keys``."""
    op.add_column("api_keys", sa.Column("last_used", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("api_keys", "last_used")
