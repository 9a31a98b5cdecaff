"""The role ``clerk`` of API keys, and the sessions of browsers.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NAME = "ck_api_keys_role"
ROLES = "role IN ('reader', 'syncer', 'clerk', 'admin')"
FORMER_ROLES = "role IN ('reader', 'syncer', 'admin')"


def upgrade() -> None:
    """Allow the role, and create the table of sessions."""
    replace_check(ROLES)
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_sessions_key_id_api_keys"),
        sa.CheckConstraint("length(digest) = 64", name="ck_sessions_digest"),
        sqlite_with_rowid=False,
    )


def replace_check(roles: str) -> None:
    """Replace the constraint on the roles."""
    if op.get_bind().dialect.name == "sqlite":
        replace_table(roles)
    else:
        op.drop_constraint(NAME, "api_keys", type_="check")
        op.create_check_constraint(NAME, "api_keys", roles)


def replace_table(roles: str) -> None:
    """Create SQLite's table again, which can't replace a constraint.

    Its rows are put back under its own name, unlike in Alembic's batch mode, which fills a new table and renames that:
    syncs refer to keys, and SQLite checks these references when it inserts a key, and not when it renames a table.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")  # until the transaction ends
    op.execute("CREATE TEMPORARY TABLE kept_keys AS SELECT * FROM api_keys")
    op.drop_table("api_keys")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("expires", TIME, nullable=False),
        sa.Column("revoked", TIME),
        sa.Column("last_used", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.CheckConstraint(roles, name=NAME),
        sa.CheckConstraint("length(secret_sha256) = 64", name="ck_api_keys_secret_sha256"),
    )
    op.execute("INSERT INTO api_keys SELECT * FROM kept_keys")
    op.execute("DROP TABLE kept_keys")


def downgrade() -> None:
    """Drop the table, and forbid the role. Clerks become readers, who may do nothing that a clerk may not."""
    op.drop_table("sessions")
    op.execute("UPDATE api_keys SET role = 'reader' WHERE role = 'clerk'")
    replace_check(FORMER_ROLES)
