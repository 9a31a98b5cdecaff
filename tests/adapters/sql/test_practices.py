"""Practices as schemas: as a database of one practice is, with the privileges of docs/roles.sql."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from builders import patient
from fingerprint import fingerprint
from paymentagg.adapters.sql import grants, schema
from paymentagg.adapters.sql.practices import SqlPractices
from paymentagg.adapters.sql.views import VIEWS
from paymentagg.adapters.sql.wiring import SqlDatabase
from paymentagg.domain.errors import PracticeArchived, PracticeNotFound, StorageUnavailable, SyncInProgress
from postgres import connect
from practice import Practice
from roles import Roles, roles
from stores import SqlStore

PRIVILEGES = """
    SELECT table_name, NULL, privilege_type FROM information_schema.role_table_grants
    WHERE grantee = :role AND table_schema = :schema
    UNION SELECT table_name, column_name, privilege_type FROM information_schema.role_column_grants
    WHERE grantee = :role AND table_schema = :schema
    UNION SELECT object_name, NULL, privilege_type FROM information_schema.role_usage_grants
    WHERE grantee = :role AND object_schema = :schema
    UNION SELECT NULL, NULL, 'SCHEMA USAGE' WHERE has_schema_privilege(:role, :schema, 'USAGE')
"""
WRITTEN = ("patients", "payments", "payment_totals", "syncs", "row_changes", "rejections")


@pytest.fixture
def names(new_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Roles]:
    """The roles of the server and of analysts, with what docs/roles.sql grants in ``public``."""
    engine = sa.create_engine(new_postgres_url)
    schema.upgrade(engine)
    engine.dispose()
    with roles(new_postgres_url) as names:
        monkeypatch.setattr(grants, "APP_ROLE", names.app)
        monkeypatch.setattr(grants, "READER_ROLE", names.reader)
        yield names


@pytest.fixture
def role(names: Roles) -> str:
    """The server's role."""
    return names.app


@pytest.fixture
def practices(new_postgres_url: str) -> Iterator[SqlPractices]:
    database = SqlDatabase(sa.make_url(new_postgres_url), many=True)
    yield database.practices()  # type: ignore[misc]  # the tests need no more of it
    database.writers.dispose()


def privileges(url: str, role: str, schema: str) -> set[tuple[str | None, ...]]:
    """Return all privileges of a role in a schema."""
    with connect(url) as connection:
        return {tuple(row) for row in connection.execute(sa.text(PRIVILEGES), {"role": role, "schema": schema})}


def test_a_practice_has_the_schema_of_a_database_of_one_practice(
    new_postgres_url: str, migrated_postgres: str, practices: SqlPractices
) -> None:
    practices.create("north")
    own = sa.make_url(new_postgres_url).update_query_dict({"options": "-c search_path=north"})
    structure = fingerprint(own.render_as_string(hide_password=False)).structure
    expected = fingerprint(migrated_postgres).structure
    assert [line.replace("north.", "public.") for line in structure] == expected


def test_both_roles_may_do_in_a_practice_what_the_script_grants_them(
    new_postgres_url: str, names: Roles, practices: SqlPractices
) -> None:
    practices.create("north")
    expected = [privileges(new_postgres_url, role, "public") for role in names]
    assert [privileges(new_postgres_url, role, "north") for role in names] == expected
    assert len(expected[0]) > 30
    assert {(table, privilege) for table, _, privilege in expected[1]} == {
        (None, "SCHEMA USAGE"),
        *((view, "SELECT") for view in VIEWS),
    }
    with connect(new_postgres_url) as connection:
        for role in names:
            connection.exec_driver_sql(f"GRANT ALL ON north.patients TO {role}")
        connection.exec_driver_sql(f"REVOKE ALL ON north.syncs FROM {names.app}")
        connection.exec_driver_sql(f"REVOKE ALL ON north.payments_decimal FROM {names.reader}")
    assert list(practices.migrate(["north"])) == [("north", None)]
    assert [privileges(new_postgres_url, role, "north") for role in names] == expected


def test_the_script_creates_the_roles_where_no_practice_is_stored_in_public(new_postgres_url: str) -> None:
    with roles(new_postgres_url) as names, connect(new_postgres_url) as connection:
        found = connection.execute(sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:all)"), {"all": [*names]})
        assert set(found.scalars()) == {*names}


def test_the_role_syncs_until_the_practice_is_archived_and_then_reads(
    new_postgres_url: str, role: str, practices: SqlPractices
) -> None:
    practices.create("north")
    url = sa.make_url(new_postgres_url).set(username=role, password="secret").render_as_string(hide_password=False)
    with closing(SqlStore(url, practice="north")) as store:
        practice = Practice(store)
        practice.sync(patients=[patient("1")])
        practices.archive("north")
        with pytest.raises(PracticeArchived):
            practice.sync(patients=[patient("2")])
        assert list(practice.patients) == ["1"]
        with store.keys() as keys:  # whoever may read can send a wrong key
            for count in (1, 2):
                assert keys.count_wrong("192.0.2.1", practice.clock(), timedelta(minutes=1)).wrong == count
        for table in WRITTEN:
            with store.engine.connect() as connection, pytest.raises(StorageUnavailable, match="lacks a privilege"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
    left = {privilege for table, _, privilege in privileges(new_postgres_url, role, "north") if table in WRITTEN}
    assert left == {"SELECT"}


def test_nothing_in_an_archived_practice_is_changed_by_the_owner_either(
    new_postgres_url: str, practices: SqlPractices
) -> None:
    for name in ("north", "south"):
        practices.create(name)
    with closing(SqlStore(new_postgres_url, practice="north")) as store:
        practice = Practice(store)
        report = practice.sync(patients=[patient("1")])
        practices.archive("north")
        changes: list[Callable[[], object]] = [
            lambda: practice.sync(patients=[]),
            lambda: practice.sync(patients=[], dry_run=True),
            lambda: practice.undo(report.id),
        ]
        for change in changes:
            with pytest.raises(PracticeArchived, match="the practice north is archived"):
                change()
        with pytest.raises(PracticeArchived), store.retention():
            pass
        with store.verification() as verification:
            assert list(verification.findings()) == []
    with closing(SqlStore(new_postgres_url, practice="south")) as store:
        Practice(store).sync(patients=[patient("1")])


def test_neither_is_a_practice_archived_nor_migrated_while_a_sync_runs(
    new_postgres_url: str, practices: SqlPractices
) -> None:
    practices.create("north")
    with closing(SqlStore(new_postgres_url, practice="north")) as store, store.transaction() as running:
        running.lock()
        with pytest.raises(SyncInProgress):
            practices.archive("north")
        ((name, error),) = practices.migrate(["north"])
        assert (name, type(error)) == ("north", SyncInProgress)
    practices.archive("north")


def test_a_key_of_no_practice_is_looked_up_as_one_of_a_practice_is(
    new_postgres_url: str, role: str, practices: SqlPractices
) -> None:
    practices.create("north")
    url = sa.make_url(new_postgres_url).set(username=role, password="secret")
    for renewed in (False, True):
        if renewed:
            with connect(new_postgres_url) as connection:
                connection.exec_driver_sql('ALTER TABLE "paymentagg-nobody".api_keys DROP COLUMN name')
            assert list(practices.migrate(["north"])) == [("north", None)]
        database = SqlDatabase(url, many=True)
        plans = []
        for name in ("north", "nowhere"):
            with closing(database.key_reader(name)) as reader:
                assert reader.keys.get("00000000") is None
                assert reader.sessions.find("0" * 64) is None
                found = reader.connection.exec_driver_sql("EXPLAIN (COSTS OFF) SELECT * FROM api_keys WHERE id = 'a'")
                plans.append(found.all())
        assert plans[0] == plans[1]
        with pytest.raises(PracticeNotFound), closing(database.of("nowhere").reader()) as reader:
            reader.keys.get("00000000")
        database.readers.dispose()
        database.writers.dispose()
    assert [practice.name for practice in practices.all()] == ["north"]


def test_a_schema_that_is_no_practice_is_none(new_postgres_url: str, practices: SqlPractices) -> None:
    with connect(new_postgres_url) as connection:
        connection.execute(sa.text("CREATE SCHEMA other"))
        connection.execute(sa.text("COMMENT ON SCHEMA other IS 'another application'"))
    assert practices.all() == []
    with pytest.raises(PracticeNotFound):
        practices.archive("other")
