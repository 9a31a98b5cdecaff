-- The floor for patients on PostgreSQL: like payments.sql.
\set ON_ERROR_STOP on
BEGIN;
SELECT NOT EXISTS (SELECT FROM patients) AS first_load \gset

TRUNCATE staged_patients;
\copy staged_patients FROM pstdin
ANALYZE staged_patients;

\if :first_load
ALTER TABLE payments DROP CONSTRAINT fk_payments;
ALTER TABLE payment_totals DROP CONSTRAINT fk_payment_totals, DROP CONSTRAINT pk_payment_totals;
ALTER TABLE patients DROP CONSTRAINT uq_patients, DROP CONSTRAINT pk_patients;
DROP INDEX ix_patients_last_name, ix_payment_totals;
\endif

CREATE TEMPORARY TABLE differing ON COMMIT DROP AS
SELECT stored.id, sent.*
FROM staged_patients AS sent FULL JOIN patients AS stored ON stored.external_id = sent.external_id
WHERE stored.first_name IS DISTINCT FROM sent.first_name
    OR stored.last_name IS DISTINCT FROM sent.last_name
    OR stored.middle_name IS DISTINCT FROM sent.middle_name
    OR stored.date_of_birth IS DISTINCT FROM sent.date_of_birth;
ANALYZE differing;

DELETE FROM payments USING differing
WHERE payments.patient_id = differing.id AND differing.external_id IS NULL;
DELETE FROM payment_totals USING differing
WHERE payment_totals.patient_id = differing.id AND differing.external_id IS NULL;
DELETE FROM patients USING differing WHERE patients.id = differing.id AND differing.external_id IS NULL;

UPDATE patients SET first_name = differing.first_name, last_name = differing.last_name,
    middle_name = differing.middle_name, date_of_birth = differing.date_of_birth, updated = now()
FROM differing WHERE patients.id = differing.id AND differing.external_id IS NOT NULL;

WITH created AS (
    INSERT INTO patients (external_id, created, updated, first_name, last_name, middle_name, date_of_birth)
    SELECT external_id, now(), now(), first_name, last_name, middle_name, date_of_birth FROM differing WHERE id IS NULL
    RETURNING id
)
INSERT INTO payment_totals SELECT id, 0, 0 FROM created;

\if :first_load
ALTER TABLE patients ADD CONSTRAINT pk_patients PRIMARY KEY (id), ADD CONSTRAINT uq_patients UNIQUE (external_id);
CREATE INDEX ix_patients_last_name ON patients (last_name, id);
ALTER TABLE payment_totals
    ADD CONSTRAINT pk_payment_totals PRIMARY KEY (patient_id),
    ADD CONSTRAINT fk_payment_totals FOREIGN KEY (patient_id) REFERENCES patients;
ALTER TABLE payments ADD CONSTRAINT fk_payments FOREIGN KEY (patient_id) REFERENCES patients;
CREATE INDEX ix_payment_totals ON payment_totals (total_cents, patient_id);
\endif
COMMIT;
