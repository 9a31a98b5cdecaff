"""Kinds of damage to a database that is filled by three syncs, done in SQL, and the checks that find each."""

from typing import NamedTuple

from paymentagg.domain.verification import Check

SOME = "(SELECT id FROM patients WHERE external_id = '5')"
FIRST = "(SELECT min(started_at) FROM syncs)"
RENUMBERED = (
    "UPDATE payments SET id = (SELECT row_id FROM row_changes WHERE external_id = '503') WHERE external_id = '502'"
)
LAST = "(SELECT max(started_at) FROM syncs)"


class Damage(NamedTuple):
    """Statements for both engines, or one for each, None where they make no sense; and the checks that must find it.

    ``constraint``: the table and the CHECK constraint that would refuse the statements. SQLite can ignore it, and its
    own check finds it broken; PostgreSQL has to drop it, and then it is missing.
    """

    statements: str | tuple[str | None, str | None]
    checks: set[Check]
    constraint: tuple[str, str] | None = None

    def script(self, engine: str) -> str | None:
        """Return the statements for an engine."""
        if isinstance(self.statements, str):
            return self.statements
        return self.statements[("sqlite", "postgresql").index(engine)]


def of_payment(values: str) -> str:
    return f"UPDATE payments SET {values} WHERE external_id = '502'"


def of_patient(values: str) -> str:
    return f"UPDATE patients SET {values} WHERE external_id = '8'"


DAMAGE = {
    "a total is off by a cent": Damage(
        f"UPDATE payment_totals SET total_cents = total_cents + 1 WHERE patient_id = {SOME}", {Check.TOTAL}
    ),
    "a number of payments is wrong": Damage(
        f"UPDATE payment_totals SET payment_count = payment_count + 1 WHERE patient_id = {SOME}", {Check.PAYMENT_COUNT}
    ),
    "a patient without payments has one": Damage(
        "UPDATE payment_totals SET payment_count = 1 WHERE payment_count = 0", {Check.PAYMENT_COUNT}
    ),
    "a total is missing": Damage(f"DELETE FROM payment_totals WHERE patient_id = {SOME}", {Check.MISSING_TOTAL}),
    "a total belongs to nobody": Damage("INSERT INTO payment_totals VALUES (999, 0, 0)", {Check.SURPLUS_TOTAL}),
    "a payment has lost its patient": Damage(
        of_payment("patient_id = 999"), {Check.ORPHAN, Check.TOTAL, Check.PAYMENT_COUNT}
    ),
    "a patient is gone": Damage(
        f"DELETE FROM payment_totals WHERE patient_id = {SOME}; DELETE FROM patients WHERE external_id = '5'",
        {Check.ORPHAN, Check.ROW_COUNT, Check.HISTORY_ROW},
    ),
    "a payment is gone": Damage(
        "DELETE FROM payments WHERE external_id = '601'", {Check.ROW_COUNT, Check.TOTAL, Check.PAYMENT_COUNT}
    ),
    "an external id is stored twice": Damage(
        "DROP INDEX ix_payments_external_id; UPDATE payments SET external_id = '502' WHERE external_id = '601'",
        {Check.SCHEMA, Check.DUPLICATE_ID},
    ),
    "an external id is blank": Damage(of_payment("external_id = ''"), {Check.TEXT}, ("payments", "external_id_length")),
    "an external id is not trimmed": Damage(
        of_payment("external_id = ' 502'"), {Check.TEXT}, ("payments", "external_id_trimmed")
    ),
    "an external id is too long": Damage(
        of_payment(f"external_id = '{'5' * 251}'"), {Check.TEXT}, ("payments", "external_id_length")
    ),
    "an external id has a control character": Damage(of_payment("external_id = '50\a'"), {Check.TEXT}),
    "a name has an invalid character": Damage(of_patient("last_name = 'Batty\ufffe'"), {Check.TEXT}),
    "a name is blank": Damage(of_patient("middle_name = ' '"), {Check.TEXT}, ("patients", "middle_name")),
    "an amount is out of range": Damage(
        of_payment("amount_cents = 1000000000000"), {Check.AMOUNT, Check.TOTAL}, ("payments", "amount_range")
    ),
    "an amount is not of whole cents": Damage(
        (of_payment("amount_cents = 4.5"), None), {Check.AMOUNT, Check.TOTAL}, ("payments", "amount_exact")
    ),
    "a date is not in the calendar": Damage(
        (of_patient("date_of_birth = '2023-02-29'"), None), {Check.DATE}, ("patients", "date_of_birth")
    ),
    "a date is out of range": Damage(
        (None, of_patient("date_of_birth = '20000-01-01'")), {Check.DATE}, ("patients", "date_of_birth_range")
    ),
    "a row was updated before it was created": Damage(
        of_payment(f"created = {LAST}, updated = {FIRST}"), {Check.TIMES}
    ),
    "a row was created in the future": Damage(
        of_payment("created = '2999-01-01 00:00:00.000000', updated = '2999-01-01 00:00:00.000000'"),
        {Check.UNRECORDED_TIME},
    ),
    "a row was updated when no sync was": Damage(
        of_payment("updated = '2026-01-01 12:00:00.000000'"), {Check.UNRECORDED_TIME}
    ),
    "a report can't be read": Damage("UPDATE syncs SET report = '{' WHERE id = 2", {Check.REPORT}),
    "a report counts wrongly": Damage(
        """UPDATE syncs SET report = replace(report, '"unchanged":', '"unchanged":1') WHERE id = 2""",
        {Check.REPORT_COUNTS},
    ),
    "a report says that nothing was changed": Damage("UPDATE syncs SET changed = false WHERE id = 2", {Check.REPORT}),
    "a figure of a sync is wrong": Damage(
        "UPDATE syncs SET payments_updated = payments_updated + 1 WHERE id = 2", {Check.FIGURES}
    ),
    "a number of rows after a sync is wrong": Damage(
        "UPDATE syncs SET patients_after = patients_after + 1 WHERE id = 2", {Check.FIGURES}
    ),
    "a patient can't be found by name": Damage(of_patient("search_name = 'pris'"), {Check.SEARCH_NAME}),
    "a patient has no search name": Damage(of_patient("search_name = NULL"), {Check.SEARCH_NAME}),
    "a sync ended before it started": Damage(
        f"UPDATE syncs SET finished_at = {FIRST} WHERE id = 2", {Check.REPORT, Check.SYNC_TIMES}
    ),
    "a sync is missing": Damage(
        "DELETE FROM syncs WHERE id = 2",
        {Check.ROW_COUNT, Check.HISTORY_SYNC, Check.REJECTIONS, Check.UNRECORDED_TIME, Check.FIGURES},
    ),
    "a sync takes back a later one": Damage("UPDATE syncs SET undoes = 3 WHERE id = 2", {Check.UNDO}),
    "the key of a sync is gone": Damage("UPDATE syncs SET key_id = 'gone' WHERE id = 2", {Check.SYNC_KEY}),
    "a row of the history is lost": Damage(
        "DELETE FROM row_changes WHERE sync_id = 2 AND external_id = '503'", {Check.HISTORY_COUNT}
    ),
    "a history can't be read": Damage(
        "UPDATE row_changes SET after = '{' WHERE sync_id = 2 AND model = 'patient'", {Check.HISTORY_JSON}
    ),
    "a history was altered": Damage(
        "UPDATE row_changes SET after = replace(after, 'Rachael', 'Pris') WHERE sync_id = 2 AND model = 'patient'",
        {Check.HISTORY_ROW},
    ),
    "two changes of a row don't fit": Damage(
        "UPDATE row_changes SET before = replace(before, '446', '447') WHERE sync_id = 3 AND external_id = '501'",
        {Check.HISTORY_ROW},
    ),
    "a row was altered without a sync": Damage(
        "UPDATE patients SET first_name = 'Pris' WHERE external_id = '5'", {Check.HISTORY_ROW, Check.SEARCH_NAME}
    ),
    "a deleted row is stored again": Damage(
        (RENUMBERED, f"ALTER TABLE payments ALTER id SET GENERATED BY DEFAULT; {RENUMBERED}"),
        {Check.HISTORY_ROW},
    ),
    "more rows were rejected than counted": Damage(
        "INSERT INTO rejections (sync_id, model, row, code) VALUES (3, 'payment', 1, 'missing')", {Check.REJECTIONS}
    ),
    "an index is missing": Damage("DROP INDEX ix_payments_patient_id_id", {Check.SCHEMA}),
    "a constraint is missing": Damage(
        (None, "ALTER TABLE payments DROP CONSTRAINT ck_payments_amount_range"), {Check.SCHEMA}
    ),
    "a constraint was never validated": Damage(
        (
            None,
            "ALTER TABLE payments DROP CONSTRAINT ck_payments_amount_range,"
            " ADD CONSTRAINT ck_payments_amount_range CHECK (true) NOT VALID",
        ),
        {Check.SCHEMA},
    ),
    "a foreign key is missing": Damage(
        (None, "ALTER TABLE payments DROP CONSTRAINT fk_payments_patient_id_patients"), {Check.SCHEMA}
    ),
    "a foreign key is disabled": Damage((None, "ALTER TABLE payments DISABLE TRIGGER ALL"), {Check.SCHEMA}),
    "a column may be empty": Damage((None, "ALTER TABLE payments ALTER created DROP NOT NULL"), {Check.SCHEMA}),
    "constraints are missing": Damage(
        (
            "PRAGMA legacy_alter_table = ON;"  # a view names the table
            " CREATE TABLE copy AS SELECT * FROM payment_totals; DROP TABLE payment_totals;"
            " ALTER TABLE copy RENAME TO payment_totals",
            None,
        ),
        {Check.SCHEMA},
    ),
    "a column is missing": Damage("ALTER TABLE syncs DROP COLUMN payments_held", {Check.SCHEMA}),
    "a table is missing": Damage("DROP TABLE rejections", {Check.SCHEMA}),
    "a view is missing": Damage("DROP VIEW payments_decimal", {Check.SCHEMA}),
    "a view has other columns": Damage(
        "DROP VIEW payments_decimal; CREATE VIEW payments_decimal AS SELECT external_id FROM payments", {Check.SCHEMA}
    ),
    "the sessions are missing": Damage("DROP TABLE sessions", {Check.SCHEMA}),
    "the counts of wrong keys are missing": Damage("DROP TABLE wrong_keys", {Check.SCHEMA}),
    "a session may belong to no key": Damage(
        (
            "DROP TABLE sessions; CREATE TABLE sessions (digest TEXT NOT NULL PRIMARY KEY, key_id TEXT NOT NULL,"
            " created NOT NULL, expires NOT NULL, CONSTRAINT ck_sessions_digest CHECK (length(digest) = 64))",
            "ALTER TABLE sessions DROP CONSTRAINT fk_sessions_key_id_api_keys",
        ),
        {Check.SCHEMA},
    ),
}
