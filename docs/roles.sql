-- The role that the server and paymentagg-sync use, and no more rights than they need: it owns nothing, and can neither
-- change the schema nor what was recorded of past syncs, nor make keys. Run this in paymentagg's database, as an
-- administrator, after each migration; it may be run again and again:
--
--     psql -v ON_ERROR_STOP=1 -d paymentagg -f docs/roles.sql
--
-- Then give the role its password, once:  \password paymentagg_app

BEGIN;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paymentagg_app') THEN
        CREATE ROLE paymentagg_app LOGIN;
    END IF;
    -- The pairs of a sync are put into a temporary table.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO paymentagg_app', current_database());
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO paymentagg_app;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM paymentagg_app;
GRANT SELECT ON alembic_version, api_keys TO paymentagg_app;
GRANT SELECT, INSERT ON syncs TO paymentagg_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON patients, payments, payment_totals TO paymentagg_app;
GRANT SELECT, INSERT, TRUNCATE ON staged_patients, staged_payments, disputed_ids, rejected_rows TO paymentagg_app;

DO $$ BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN  -- so that large syncs are planned by what was staged
        EXECUTE 'GRANT MAINTAIN ON staged_patients, staged_payments, disputed_ids, rejected_rows TO paymentagg_app';
    END IF;
END $$;

-- PostgreSQL's own log must not hold what patients are called: no statements with their values, and of an error only
-- what went wrong.
ALTER ROLE paymentagg_app SET log_statement = 'none';
ALTER ROLE paymentagg_app SET log_min_duration_statement = -1;
ALTER ROLE paymentagg_app SET log_min_error_statement = 'panic';
ALTER ROLE paymentagg_app SET log_error_verbosity = 'terse';
ALTER ROLE paymentagg_app SET log_parameter_max_length_on_error = 0;

COMMIT;
