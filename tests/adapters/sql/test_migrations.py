"""The migrations create the schema that the code requires, on both engines."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from builders import patient
from paymentagg.adapters.migrations import partial_indexes  # noqa: F401  adds to tables
from paymentagg.adapters.sql import schema, tables, working_tables
from paymentagg.adapters.sql.wiring import connect
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import issue
from paymentagg.domain.queries import PatientQuery
from practice import Practice
from project import PROJECT
from stores import SqlStore


def test_models_and_migrations_agree(database_url: str) -> None:
    engine = connect(sa.make_url(database_url))
    metadata = [tables.metadata]
    if engine.dialect.name == "postgresql":
        metadata.append(working_tables.metadata)
    with engine.connect() as connection:
        opts = {"compare_type": True, "target_metadata": metadata}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []  # type: ignore[arg-type]  # a list is accepted too
    engine.dispose()


def test_migrated_and_modelled_schemas_have_the_same_checks(database_url: str, tmp_path: Path) -> None:
    engine = connect(sa.make_url(database_url))
    with engine.connect() as connection:
        migrated = checks(connection)
        connection.rollback()
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("CREATE SCHEMA modelled"))
            connection.execute(sa.text("SET LOCAL search_path = modelled"))
            tables.metadata.create_all(connection, checkfirst=False)
            modelled = checks(connection)
            connection.rollback()
        else:
            other = sa.create_engine(f"sqlite:///{tmp_path / 'modelled.sqlite'}")
            tables.metadata.create_all(other)
            with other.connect() as connection:
                modelled = checks(connection)
            other.dispose()
    engine.dispose()
    assert migrated == modelled
    assert len(migrated) == (16 if "postgresql" in database_url else 19)


def checks(connection: sa.Connection) -> set[tuple[str, str, str]]:
    inspector = sa.inspect(connection)
    return {
        (table, str(check["name"]), check["sqltext"])
        for table in tables.metadata.tables
        for check in inspector.get_check_constraints(table)
    }


def test_the_code_asks_for_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION


def test_alembic_migrates_there_and_back_over_the_ini(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", new_postgres_url):
        monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", url)
        for command, exist in (
            (["upgrade", "head"], True),
            (["downgrade", "base"], False),
            (["upgrade", "head"], True),
        ):
            alembic(*command)
            engine = sa.create_engine(url)
            assert sa.inspect(engine).has_table("payments") is exist
            engine.dispose()


@pytest.mark.parametrize("more", [(), ("patients_taken_at", "payments_taken_at", "idempotency_key")])
def test_a_database_of_the_first_revision_is_upgraded_and_brought_back_with_its_data(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", new_postgres_url):
        monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", url)
        alembic("upgrade", "0001")
        store = SqlStore(url)
        with store.engine.connect().execution_options(writing=True) as connection, connection.begin():
            for statement in DATA_OF_0001:
                connection.exec_driver_sql(statement)
            for column in more:  # which the first revision created for a while
                kind = "text" if column == "idempotency_key" else "timestamp with time zone"
                connection.exec_driver_sql(f"ALTER TABLE syncs ADD COLUMN {column} {kind}")
            if more:
                connection.exec_driver_sql("CREATE UNIQUE INDEX ix_syncs_idempotency_key ON syncs (idempotency_key)")

        alembic("upgrade", "head")
        practice = Practice(store)
        assert practice.totals == {"5": "0.00"}
        key, _ = issue("a", Role.SYNCER, days=90, at=practice.now, others=())
        with store.keys() as keys:
            keys.add(key)
        report = practice.sync(patients=[patient("5"), patient("6")], by=key.id)
        with store.reading() as reader:
            assert [each.id for each in reader.syncs.page().items] == [report.id, 1]
            assert reader.syncs.page(by=key.id).items == [report]

        alembic("downgrade", "0001")
        with store.engine.connect() as connection:
            assert connection.scalars(sa.text("SELECT external_id FROM patients ORDER BY id")).all() == ["5", "6"]
            assert connection.scalars(sa.text("SELECT id FROM syncs ORDER BY id")).all() == [1, report.id]
        store.close()


def test_patients_and_syncs_of_former_versions_are_found_and_counted(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", new_postgres_url):
        monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", url)
        alembic("upgrade", "0005")
        store = SqlStore(url)
        with store.engine.connect().execution_options(writing=True) as connection, connection.begin():
            for statement in DATA_OF_0001[:1]:
                connection.exec_driver_sql(statement)
            time = "2026-01-01 00:00:00.000000"
            for number in range(1_500):  # more than one batch
                name, middle = ("'Zoë'", "NULL") if number % 2 else ("'ZOE'", "'Ł'")
                connection.exec_driver_sql(
                    "INSERT INTO patients (external_id, first_name, middle_name, last_name, created, updated)"
                    f" VALUES ('z{number}', {name}, {middle}, 'Ng', '{time}', '{time}')"
                )
            connection.exec_driver_sql(DATA_OF_0001[1])
            connection.exec_driver_sql(SYNC_OF_0005)

        alembic("upgrade", "head")
        practice = Practice(store)
        assert practice.found(PatientQuery(words=("deckard", "rick", "5")))[0] == ["5"]
        zoes = [f"z{number}" for number in range(1_500)]
        assert practice.found(PatientQuery(words=("zoe",), limit=2_000))[0] == zoes
        assert practice.found(PatientQuery(words=("zoe", " l "), limit=2_000))[0] == zoes[::2]
        with store.engine.connect() as connection:
            (past,) = connection.execute(sa.select(tables.syncs)).mappings().all()
        assert [past[f"patients_{count}"] for count in tables.COUNTS] == [4, 3, 2, 1]
        assert [past[f"payments_{count}"] for count in tables.COUNTS] == [0, 0, 0, 0]
        assert [past[name] for name in tables.AFTER] == [None, None, None]
        store.close()


def test_clerks_are_allowed_and_become_readers_again_while_keys_and_their_syncs_stay(
    new_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", new_postgres_url):
        monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", url)
        alembic("upgrade", "head")
        store = SqlStore(url)
        practice = Practice(store)
        issued = [issue("a", role, days=90, at=practice.now, others=())[0] for role in (Role.SYNCER, Role.CLERK)]
        with store.keys() as keys:
            for key in issued:
                keys.add(key)
            keys.use(issued[0].id, practice.now)
            before = keys.all()
        reports = [practice.sync(patients=[patient(str(number))], by=issued[number].id) for number in range(2)]

        alembic("downgrade", "0006")
        with store.engine.connect() as connection:
            assert set(connection.scalars(sa.text("SELECT role FROM api_keys"))) == {"syncer", "reader"}
            if connection.dialect.name == "sqlite":
                assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []

        alembic("upgrade", "head")
        with store.keys() as keys:
            after = {key.id: key for key in keys.all()}
        assert after[issued[0].id] in before
        assert after[issued[1].id] == msgspec.structs.replace(issued[1], role=Role.READER)
        with store.reading() as reader:
            assert [reader.syncs.page(by=key.id).items for key in issued] == [[report] for report in reports]
        assert "kept_keys" not in sa.inspect(store.engine).get_table_names()
        store.close()


SYNC_OF_0005 = (
    "INSERT INTO syncs (started_at, finished_at, changed, report)"
    " VALUES ('2026-01-01 00:00:00.000000', '2026-01-01 00:00:01.000000', true,"
    """ '{"id":null,"dryRun":false,"startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:00:01Z","""
    """ "patients":{"rows":9,"created":4,"updated":3,"unchanged":1,"rejected":1,"deleted":2,"""
    """ "deletionsSuspended":null}}')"""
)
DATA_OF_0001 = (
    "INSERT INTO patients (external_id, first_name, last_name, created, updated)"
    " VALUES ('5', 'Rick', 'Deckard', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')",
    "INSERT INTO payment_totals (patient_id, total_cents, payment_count) SELECT id, 0, 0 FROM patients",
    "INSERT INTO syncs (started_at, finished_at, changed, report)"
    " VALUES ('2026-01-01 00:00:00.000000', '2026-01-01 00:00:01.000000', true,"
    """ '{"id":null,"dryRun":false,"startedAt":"2026-01-01T00:00:00Z","finishedAt":"2026-01-01T00:00:01Z"}')""",
)


def alembic(*arguments: str) -> None:
    script = Path(sys.executable).with_name("alembic")
    command: list[str | Path] = [script, "-c", PROJECT / "production.ini", *arguments]
    subprocess.run(command, check=True, cwd=PROJECT)


def test_a_migration_that_fails_leaves_a_new_sqlite_file_empty(tmp_path: Path) -> None:
    file = tmp_path / "paymentagg.sqlite"
    engine = connect(sa.make_url(f"sqlite:///{file}"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE syncs (taken INTEGER)")
    with pytest.raises(sa.exc.OperationalError):
        schema.upgrade(engine)
    engine.dispose()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("syncs",)]


def test_two_processes_may_create_the_same_sqlite_file_at_once(tmp_path: Path) -> None:
    (tmp_path / "patients.json").write_text("[]")
    command: list[str | Path] = [Path(sys.executable).with_name("paymentagg-sync"), "--patients", "patients.json"]
    running = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], errors
    store = SqlStore(f"sqlite:///{tmp_path / 'paymentagg.sqlite'}")
    with store.reading() as reader:
        assert len(reader.syncs.page().items) == 3
    store.close()


def test_postgresql_vacuums_the_totals_before_many_of_them_have_changed(postgresql_url: str) -> None:
    with connect(sa.make_url(postgresql_url)).connect() as connection:
        options = connection.scalar(sa.text("SELECT reloptions FROM pg_class WHERE relname = 'payment_totals'"))
    assert options == ["autovacuum_vacuum_scale_factor=0.02"]
