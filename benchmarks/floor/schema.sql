-- The tables of the floor on PostgreSQL: those of paymentagg, without the CHECK constraints that a script written by
-- hand wouldn't have.
CREATE TABLE patients (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_patients PRIMARY KEY,
    external_id text COLLATE "C" NOT NULL CONSTRAINT uq_patients UNIQUE,
    created timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    first_name text COLLATE "C" NOT NULL,
    last_name text COLLATE "C" NOT NULL,
    middle_name text COLLATE "C",
    date_of_birth date
);
CREATE INDEX ix_patients_last_name ON patients (last_name, id);

CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_payments PRIMARY KEY,
    external_id text COLLATE "C" NOT NULL CONSTRAINT uq_payments UNIQUE,
    created timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    patient_id bigint NOT NULL CONSTRAINT fk_payments REFERENCES patients,
    amount_cents bigint NOT NULL
);
CREATE INDEX ix_payments_patient_id ON payments (patient_id, id);

CREATE TABLE payment_totals (
    patient_id bigint CONSTRAINT pk_payment_totals PRIMARY KEY CONSTRAINT fk_payment_totals REFERENCES patients,
    total_cents bigint NOT NULL,
    payment_count bigint NOT NULL
);
CREATE INDEX ix_payment_totals ON payment_totals (total_cents, patient_id);

CREATE UNLOGGED TABLE staged_payments (
    external_id text COLLATE "C" NOT NULL,
    patient text COLLATE "C" NOT NULL,
    amount_cents bigint NOT NULL
);
CREATE UNLOGGED TABLE staged_patients (
    external_id text COLLATE "C" NOT NULL,
    first_name text COLLATE "C" NOT NULL,
    last_name text COLLATE "C" NOT NULL,
    middle_name text COLLATE "C",
    date_of_birth date
);
