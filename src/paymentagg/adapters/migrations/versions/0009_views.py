"""Views for analysts, with amounts as decimals.

Revision: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PATIENTS = """
CREATE VIEW patients_with_totals AS
SELECT patients.external_id, patients.first_name, patients.middle_name, patients.last_name, patients.date_of_birth,
    patients.created, patients.updated,
    {amount} AS payment_total, payment_totals.total_cents AS payment_total_cents, payment_totals.payment_count
FROM payment_totals JOIN patients ON patients.id = payment_totals.patient_id
"""
PAYMENTS = """
CREATE VIEW payments_decimal AS
SELECT payments.external_id, patients.external_id AS patient_external_id,
    {amount} AS amount, payments.amount_cents, payments.created, payments.updated
FROM payments JOIN patients ON patients.id = payments.patient_id
"""

EXACT_TEXT = "printf('%s%d.%02d', CASE WHEN {cents} < 0 THEN '-' ELSE '' END, abs({cents}) / 100, abs({cents}) % 100)"
"""SQLite has no decimals: NUMERIC is a float there, so an amount is a text. The view has the cents beside it."""


def upgrade() -> None:
    """Create the views. They read with their owner's privileges: whoever may read a view needs none on its tables."""
    total, amount = "payment_totals.total_cents", "payments.amount_cents"
    if op.get_bind().dialect.name == "sqlite":
        decimals = [EXACT_TEXT.format(cents=total), EXACT_TEXT.format(cents=amount)]
    else:
        decimals = [f"CAST({total} * 0.01 AS numeric(19, 2))", f"CAST({amount} * 0.01 AS numeric(12, 2))"]
    for view, decimal in zip((PATIENTS, PAYMENTS), decimals, strict=True):
        op.get_bind().exec_driver_sql(view.format(amount=decimal))  # SQLAlchemy would take %s for a parameter


def downgrade() -> None:
    """Drop the views."""
    op.execute("DROP VIEW payments_decimal")
    op.execute("DROP VIEW patients_with_totals")
