"""The text in which patients are searched for, and the figures of each sync as columns.

Revision: 0006
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from paymentagg.domain.search import search_name

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNTS = {
    f"{model}_{count}": (model, count)
    for model in ("patients", "payments")
    for count in ("created", "updated", "deleted", "rejected")
}
AFTER = ("patients_after", "payments_after", "cents_after")
BATCH = 1_000

TEXTS = ("external_id", "first_name", "last_name", "middle_name")
patients = sa.table("patients", *map(sa.column, ("id", *TEXTS, "search_name")))
syncs = sa.table("syncs", *map(sa.column, ("id", "report", *COUNTS)))


def upgrade() -> None:
    """Add the columns, and fill them for the stored rows; ``..._after`` of past syncs isn't known."""
    op.add_column("patients", sa.Column("search_name", TEXT))
    if op.get_bind().dialect.name == "postgresql":
        op.add_column("staged_patients", sa.Column("search_name", TEXT))
        # Until a table is vacuumed, its changed pages are read although an index has all columns: figures take four
        # times as long. By default that waits until a fifth of the rows has changed, which takes several syncs.
        op.execute("ALTER TABLE payment_totals SET (autovacuum_vacuum_scale_factor = 0.02)")
    for name in COUNTS:
        op.add_column("syncs", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in AFTER:
        op.add_column("syncs", sa.Column(name, sa.BigInteger()))
    fill_search_names()
    fill_counts()


def fill_search_names() -> None:
    """Let the database fold texts that are ASCII, and fold the others here."""
    names = patients.c.first_name + " " + sa.func.coalesce(patients.c.middle_name + " ", "") + patients.c.last_name
    whole = names + " " + patients.c.external_id
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    size = sa.func.length(sa.cast(whole, sa.LargeBinary)) if is_sqlite else sa.func.octet_length(whole)
    op.execute(patients.update().values(search_name=sa.func.lower(whole)).where(size == sa.func.length(whole)))
    rows = sa.select(patients.c.id, *(patients.c[name] for name in TEXTS)).where(size > sa.func.length(whole))
    write = patients.update().where(patients.c.id == sa.bindparam("row"))
    write = write.values(search_name=sa.bindparam("folded"))
    for batch in batches(rows, patients.c.id):
        op.get_bind().execute(write, [{"row": row[0], "folded": search_name(*row[1:])} for row in batch])


def fill_counts() -> None:
    """Copy the counts from the reports."""
    write = syncs.update().where(syncs.c.id == sa.bindparam("row"))
    write = write.values({name: sa.bindparam(f"new_{name}") for name in COUNTS})
    for batch in batches(sa.select(syncs.c.id, syncs.c.report), syncs.c.id):
        op.get_bind().execute(write, [{"row": row, **counts(json.loads(report))} for row, report in batch])


def counts(report: dict[str, Any]) -> dict[str, int]:
    """Return the parameters for the counts in a report; a model that wasn't synced has none."""
    return {f"new_{name}": (report.get(model) or {}).get(count, 0) for name, (model, count) in COUNTS.items()}


def batches(rows: sa.Select[Any], key: sa.ColumnElement[int]) -> Iterator[Sequence[Any]]:
    """Yield the rows in batches by ``key``, which is the first column."""
    after = 0
    while batch := op.get_bind().execute(rows.where(key > after).order_by(key).limit(BATCH)).all():
        yield batch
        after = batch[-1][0]


def downgrade() -> None:
    """Drop the columns."""
    for name in (*AFTER, *COUNTS):
        op.drop_column("syncs", name)
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("staged_patients", "search_name")
        op.execute("ALTER TABLE payment_totals RESET (autovacuum_vacuum_scale_factor)")
    op.drop_column("patients", "search_name")
