"""The views for analysts by name, with their columns. Migration 0009 creates them; a test compares both.

paymentagg itself doesn't read them. SQLite refuses a migration that drops a table or column which a view names, so such
a migration drops the views first, and creates them again.
"""

VIEWS = {
    "patients_with_totals": (
        "external_id",
        "first_name",
        "middle_name",
        "last_name",
        "date_of_birth",
        "created",
        "updated",
        "payment_total",
        "payment_total_cents",
        "payment_count",
    ),
    "payments_decimal": ("external_id", "patient_external_id", "amount", "amount_cents", "created", "updated"),
}
