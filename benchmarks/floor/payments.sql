-- The floor for payments on PostgreSQL: SQL written by hand. It takes ready TSV on standard input, checks nothing and
-- reports nothing.
--     psql -X -q -f benchmarks/floor/payments.sql DATABASE < payments.tsv
\set ON_ERROR_STOP on
BEGIN;
SELECT NOT EXISTS (SELECT FROM payments) AS first_load \gset

TRUNCATE staged_payments;
\copy staged_payments FROM pstdin
ANALYZE staged_payments;

\if :first_load
ALTER TABLE payments DROP CONSTRAINT fk_payments, DROP CONSTRAINT uq_payments, DROP CONSTRAINT pk_payments;
DROP INDEX ix_payments_patient_id;
\endif

CREATE TEMPORARY TABLE differing ON COMMIT DROP AS
SELECT stored.id, stored.patient_id AS old_patient, stored.amount_cents AS old_cents,
    sent.external_id, sent.patient_id, sent.amount_cents
FROM (
    SELECT staged.external_id, patients.id AS patient_id, staged.amount_cents
    FROM staged_payments AS staged JOIN patients ON patients.external_id = staged.patient
) AS sent
FULL JOIN payments AS stored ON stored.external_id = sent.external_id
WHERE stored.amount_cents IS DISTINCT FROM sent.amount_cents OR stored.patient_id IS DISTINCT FROM sent.patient_id;
ANALYZE differing;

DELETE FROM payments USING differing WHERE payments.id = differing.id AND differing.external_id IS NULL;

UPDATE payments SET patient_id = differing.patient_id, amount_cents = differing.amount_cents, updated = now()
FROM differing WHERE payments.id = differing.id AND differing.external_id IS NOT NULL;

INSERT INTO payments (external_id, created, updated, patient_id, amount_cents)
SELECT external_id, now(), now(), patient_id, amount_cents FROM differing WHERE id IS NULL;

\if :first_load
ALTER TABLE payments
    ADD CONSTRAINT pk_payments PRIMARY KEY (id),
    ADD CONSTRAINT uq_payments UNIQUE (external_id),
    ADD CONSTRAINT fk_payments FOREIGN KEY (patient_id) REFERENCES patients;
CREATE INDEX ix_payments_patient_id ON payments (patient_id, id);
DROP INDEX ix_payment_totals;
\endif

UPDATE payment_totals SET total_cents = total_cents + touched.cents, payment_count = payment_count + touched.payments
FROM (
    SELECT patient_id, sum(cents)::bigint AS cents, sum(one) AS payments
    FROM (
        SELECT patient_id, amount_cents AS cents, 1 AS one FROM differing WHERE external_id IS NOT NULL
        UNION ALL
        SELECT old_patient, -old_cents, -1 FROM differing WHERE id IS NOT NULL
    ) AS change
    GROUP BY patient_id
) AS touched
WHERE payment_totals.patient_id = touched.patient_id;

\if :first_load
CREATE INDEX ix_payment_totals ON payment_totals (total_cents, patient_id);
\endif
COMMIT;
