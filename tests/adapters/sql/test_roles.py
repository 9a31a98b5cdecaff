"""The role of the server in docs/roles.sql has the privileges that the application needs, and no others."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import post
from builders import array, batch, patient, patient_row, payment, payment_row
from command import HISTORY_SCRIPT, KEYS_SCRIPT, Command
from kept import history
from kept import rows as stored_rows
from keyring import Keyring, closed, using
from paymentagg.domain import api_keys, sessions
from paymentagg.domain.access import Role
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from practice import Given, Practice
from roles import roles
from stores import SqlStore

MANY_ROWS = 10_500


def test_it_loads_the_slower_way_with_the_same_result(app_url: str) -> None:
    store = SqlStore(app_url)
    practice = Practice(store)
    practice.sync(
        patients=[patient(f"{n}") for n in range(MANY_ROWS)],
        payments=[payment(f"{n}", f"{n}") for n in range(MANY_ROWS)],
    )
    practice.sync(patients=[patient("1")], payments=[payment("1", "1", "5"), payment("2", "nobody")])
    assert practice.totals == {"1": "5.00"}
    store.close()


def test_it_serves_all_that_is_asked(postgresql_url: str, app_url: str) -> None:
    keys = Keyring(postgresql_url)  # the owner's
    admin = using(closed(app_url), keys.key(Role.ADMIN))
    for path, rows in [
        ("/patients", [patient_row()]),
        ("/payments", [payment_row(), payment_row(), payment_row("9", "9")]),
    ]:
        assert post(admin, path, array(*rows)).status_int == 200
    for path in ("/patients", "/patients/5", "/payments", "/syncs", "/syncs/1", "/health/ready"):
        assert admin.get(path).status_int == 200
    assert admin.get("/payments", headers={"Accept": "text/csv"}).text.count("\n") == 2
    with keys.store.keys() as stored:
        assert [key.last_used is None for key in stored.all()] == [False]


def test_it_stores_and_deletes_sessions(postgresql_url: str, app_url: str) -> None:
    owner, store, now = SqlStore(postgresql_url), SqlStore(app_url), datetime.now(UTC)
    key, _ = api_keys.issue("a", Role.CLERK, days=90, at=now, others=())
    with owner.keys() as keys:
        keys.add(key)
    first, second = (sessions.issue(key, sessions.new_token(), now) for _ in range(2))
    with store.sessions() as stored:
        for session in (first, second):
            stored.add(session)
    with store.sessions() as stored:
        stored.remove(first.digest)
    with store.reading() as reader:
        assert [reader.sessions.find(each.digest) for each in (first, second)] == [None, (second, key)]
    with store.sessions() as stored:
        stored.prune(second.expires)
        assert stored.find(second.digest) is None
    owner.close()
    store.close()


def test_it_counts_wrong_keys_and_forgets_them(app_url: str) -> None:
    store, now = SqlStore(app_url), datetime.now(UTC)
    for seconds, counted in ((0, 1), (1, 2), (61, 1)):
        with store.keys() as keys:
            assert (
                keys.count_wrong("192.0.2.1", now + timedelta(seconds=seconds), timedelta(minutes=1)).wrong == counted
            )
    store.close()


def test_it_undoes_a_sync_and_keeps_what_that_changes(app_url: str) -> None:
    store = SqlStore(app_url)
    practice = Practice(store)
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment("1", "1"), payment("2", "2")])
    before = stored_rows(store)
    done = practice.sync(patients=[patient("1", first_name="Roy"), patient("3")], payments=[payment("1", "3")])
    undone = practice.undo(done.id)
    assert stored_rows(store) == before
    assert {kept.sync for kept in history(store)} == {done.id, undone.id}
    store.close()


def test_it_verifies_everything_and_compares_it_with_files(app_url: str) -> None:
    store = SqlStore(app_url)
    Practice(store).sync(patients=[patient("1")], payments=[payment("1", "1")])
    given = Snapshots(Given(batch([patient("1")])), Given(batch([payment("1", "1"), payment("2", "1")])))
    with store.verification() as verification:
        assert list(verification.findings()) == []
        terms = Terms(DeletionLimit.parse("100%"), dry_run=True, force=True)
        report = synchronize(verification.storage(), given, terms, Practice().clock)
    assert [(part.created, part.unchanged) for part in report.models.values()] == [(0, 1), (1, 1)]
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE payments",
        "ALTER TABLE patients ADD COLUMN note text",
        "ALTER TABLE payments DISABLE TRIGGER ALL",
        "CREATE INDEX ON patients (first_name)",
        "TRUNCATE patients CASCADE",
        "UPDATE syncs SET report = '{}'",
        "DELETE FROM syncs",
        "UPDATE row_changes SET kind = 'updated'",
        "DELETE FROM row_changes",
        "SELECT setval('syncs_id_seq', 1)",
        "DELETE FROM rejections",
        "INSERT INTO api_keys SELECT * FROM api_keys",
        "UPDATE api_keys SET role = 'admin'",
        "UPDATE api_keys SET revoked = NULL",
        "DELETE FROM api_keys",
        "UPDATE sessions SET expires = '2999-01-01'",
        "TRUNCATE sessions",
        "UPDATE alembic_version SET version_num = '0000'",
        "COPY patients TO PROGRAM 'cat'",
        "CREATE ROLE another",
        "SET log_min_error_statement = error",
    ],
)
def test_it_may_do_nothing_else(app_url: str, statement: str) -> None:
    store = SqlStore(app_url)
    with store.engine.connect() as connection, pytest.raises(StorageUnavailable, match=r"docs/roles\.sql"):
        connection.exec_driver_sql(statement)
    store.close()


def test_it_is_told_which_role_creates_keys(app_url: str, tmp_path: Path) -> None:
    done = Command(tmp_path, app_url, KEYS_SCRIPT).run("create", "--role", "reader", "--name", "billing")
    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.count(b"\n") == 1
    assert b"syncs and servers need those of docs/roles.sql, all else the tables' owner" in done.stderr


@pytest.mark.parametrize("arguments", [["prune", "--days", "0"], ["prune"], ["forget", "2"]])
def test_it_erases_no_history_and_is_told_which_role_does(app_url: str, tmp_path: Path, arguments: list[str]) -> None:
    store = SqlStore(app_url)
    practice = Practice(store)
    for people in ([patient("1"), patient("2")], [patient("1")]):
        practice.sync(patients=people)
    before = history(store)
    done = Command(tmp_path, app_url, HISTORY_SCRIPT).run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (6, b"", 1)
    assert b"syncs and servers need those of docs/roles.sql, all else the tables' owner" in done.stderr
    assert history(store) == before != []
    store.close()


def test_what_it_does_is_not_spelled_out_in_the_log_of_the_server(app_url: str) -> None:
    store = SqlStore(app_url)
    with store.engine.connect() as connection:
        for setting, value in {
            "log_statement": "none",
            "log_min_duration_statement": "-1",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_parameter_max_length_on_error": "0",
        }.items():
            assert connection.exec_driver_sql(f"SHOW {setting}").scalar() == value
    store.close()


@pytest.fixture
def app_url(postgresql_url: str) -> Iterator[str]:
    """The URL for the role."""
    with roles(postgresql_url, times=2) as names:  # the script is run again after each migration
        yield (
            sa.make_url(postgresql_url).set(username=names.app, password="secret").render_as_string(hide_password=False)
        )
