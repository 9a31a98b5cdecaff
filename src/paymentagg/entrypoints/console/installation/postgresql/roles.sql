-- The role for the server and paymentagg-sync, with the fewest privileges that they need: it owns nothing, and can't change
-- the schema, the record of past syncs or the history, nor create API keys, only note when one is used, count wrong ones and
-- store the sessions of browsers. And the role paymentagg_reader for analysts, which reads two views and nothing else: it sees
-- the data of all patients. Run this script in paymentagg's database, as an administrator, after each migration; running it
-- repeatedly is safe:
--
--     psql -v ON_ERROR_STOP=1 -d paymentagg -f roles.sql
--
-- Then set their passwords, once:  \password paymentagg_app  and  \password paymentagg_reader

BEGIN;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paymentagg_app') THEN
        CREATE ROLE paymentagg_app LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paymentagg_reader') THEN
        CREATE ROLE paymentagg_reader LOGIN;
    END IF;
    -- A sync writes its pairs into a temporary table.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO paymentagg_app', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO paymentagg_reader', current_database());
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO paymentagg_app, paymentagg_reader;

-- With paymentagg.practices = many, public has no tables: paymentagg-practices grants the same in the schema of each practice.
DO $$ BEGIN
    IF to_regclass('alembic_version') IS NULL THEN
        RETURN;
    END IF;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM paymentagg_app, paymentagg_reader;
    GRANT SELECT ON patients_with_totals, payments_decimal TO paymentagg_reader;
    GRANT SELECT ON alembic_version, api_keys TO paymentagg_app;
    GRANT UPDATE (last_used) ON api_keys TO paymentagg_app;
    GRANT SELECT, INSERT, DELETE ON sessions TO paymentagg_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON wrong_keys TO paymentagg_app;
    GRANT SELECT, INSERT ON syncs, row_changes, rejections TO paymentagg_app;
    GRANT USAGE ON SEQUENCE syncs_id_seq TO paymentagg_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON patients, payments, payment_totals TO paymentagg_app;
    GRANT SELECT, INSERT, TRUNCATE ON staged_patients, staged_payments, disputed_ids, rejected_rows TO paymentagg_app;
    IF current_setting('server_version_num')::int >= 170000 THEN  -- ANALYZE of the staged rows, for the plans of large syncs
        EXECUTE 'GRANT MAINTAIN ON staged_patients, staged_payments, disputed_ids, rejected_rows TO paymentagg_app';
    END IF;
END $$;

-- PostgreSQL's own log must not contain names of patients: log no statements with their values, and only the main message
-- of an error.
ALTER ROLE paymentagg_app SET log_statement = 'none';
ALTER ROLE paymentagg_app SET log_min_duration_statement = -1;
ALTER ROLE paymentagg_app SET log_min_error_statement = 'panic';
ALTER ROLE paymentagg_app SET log_error_verbosity = 'terse';
ALTER ROLE paymentagg_app SET log_parameter_max_length_on_error = 0;

ALTER ROLE paymentagg_reader SET log_statement = 'none';
ALTER ROLE paymentagg_reader SET log_min_duration_statement = -1;
ALTER ROLE paymentagg_reader SET log_min_error_statement = 'panic';
ALTER ROLE paymentagg_reader SET log_error_verbosity = 'terse';
ALTER ROLE paymentagg_reader SET log_parameter_max_length_on_error = 0;

-- What protects the data are the privileges. These protect the server from oversights: a query that takes too long, a notebook
-- that leaves a transaction open, for which a migration would wait.
ALTER ROLE paymentagg_reader SET default_transaction_read_only = on;
ALTER ROLE paymentagg_reader SET statement_timeout = '60s';
ALTER ROLE paymentagg_reader SET idle_in_transaction_session_timeout = '60s';

COMMIT;
