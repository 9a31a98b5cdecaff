"""paymentagg-history, run in a process of its own."""

import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
from auditlog import Audited, events
from builders import patient_row
from command import HISTORY_SCRIPT, Command
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.adapters.sql.tables import syncs
from postgres import connect


@pytest.fixture
def history(tmp_path: Path, database_url: str) -> Command:
    return Audited(tmp_path, database_url, HISTORY_SCRIPT)


@pytest.fixture
def practice(app: TestApp) -> TestApp:
    """A practice from which patients 6 and 8, and the payments of patient 6, are deleted by the fourth sync."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    sync(app, "/patients", [*PATIENTS[:2], patient_row("8", firstName="Zhora"), patient_row("6", lastName="")])
    sync(app, "/patients", PATIENTS[:1])
    return app


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def kept(app: TestApp) -> list[int]:
    """Return how many updates and deletions of each sync are kept, oldest first."""
    ids = sorted(report["id"] for report in app.get("/syncs").json)
    changes = [app.get(f"/syncs/{number}/changes").json for number in ids]
    return [sum(change["kind"] != "created" for change in each) for each in changes]


def age(url: str, *ids: int) -> None:
    """Make these syncs a hundred days old."""
    with connect(url) as connection:
        ago = datetime.now(UTC) - timedelta(days=100)
        connection.execute(update(syncs).where(syncs.c.id.in_(ids)).values(started_at=ago))


def test_what_is_older_than_the_setting_is_pruned(practice: TestApp, history: Command, database_url: str) -> None:
    assert kept(practice) == [0, 0, 1, 4]
    done = history.run("prune")
    assert done.returncode == 0
    assert done.stdout.startswith(b"erased 0 changes and 0 rejected rows of 0 syncs that began before ")
    age(database_url, 1, 2, 3)
    done = history.run("prune")
    assert done.stdout.startswith(b"erased 1 changes and ")
    assert done.stderr == b""
    assert kept(practice) == [0, 0, 0, 4]
    age(database_url, 4)
    assert history.run("prune", PAYMENTAGG_HISTORY_DAYS="101").stdout.startswith(b"erased 0 changes and 0 ")
    assert history.run("prune", "--days", "101").stdout.startswith(b"erased 0 changes and 0 ")
    assert history.run("prune", "--days", "99").stdout.startswith(b"erased 4 changes and 0 rejected rows of 1 syncs ")
    assert kept(practice) == [0, 0, 0, 0]


def test_with_0_days_nothing_is_left(practice: TestApp, history: Command) -> None:
    assert history.run("prune", "--days", "0").returncode == 0
    assert kept(practice) == [0, 0, 0, 0]
    assert practice.get("/history?patient=6").json == []


def test_a_deleted_patient_is_forgotten(practice: TestApp, history: Command) -> None:
    before = practice.get("/syncs").json
    assert "6" in {error["externalId"] for error in practice.get("/syncs/3").json["errors"]}
    done = history.run("forget", "6")
    assert done.returncode == 0
    assert done.stdout.startswith(b"erased 3 changes, ")
    assert done.stdout.endswith(b" and 1 errors in reports\n")
    assert b"backups" in done.stderr
    assert practice.get("/history?patient=6").json == []
    for number in range(1, 5):
        assert practice.get(f"/syncs/{number}/changes").text.count('"6"') == 0
    (error,) = practice.get("/syncs/3").json["errors"]
    assert (error["externalId"], error["row"], error["field"]) == (None, 4, "lastName")
    for one, other in zip(before, practice.get("/syncs").json, strict=True):
        assert one["patients" if "patients" in one else "payments"] == other.get("patients", other.get("payments"))
    assert [change["externalId"] for change in practice.get("/history?patient=8").json] == ["8", "8"]


def test_a_client_does_not_keep_what_is_forgotten(practice: TestApp, history: Command) -> None:
    paths = ("/syncs", "/syncs/3", "/syncs/4/changes", "/history?patient=6")
    tags = [practice.get(path).headers["ETag"] for path in paths]
    history.run("forget", "6")
    for path, tag in zip(paths, tags, strict=True):
        assert practice.get(path, headers={"If-None-Match": tag}).status_int == 200


def test_a_stored_patient_is_not_forgotten(practice: TestApp, history: Command) -> None:
    done = history.run("forget", "5")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"argument EXTERNAL_ID: this patient is still stored; delete them by a sync without them" in done.stderr
    assert kept(practice) == [0, 0, 1, 4]


@pytest.mark.usefixtures("practice")
def test_what_is_erased_is_noted_without_the_id(history: Command, log: Path) -> None:
    history.run("prune", "--days", "90")
    history.run("forget", "6")
    history.run("forget", "5")
    lines = events(log)
    assert [(line["route"], line["outcome"]) for line in lines] == [
        ("paymentagg-history prune", "begun"),
        ("paymentagg-history prune", "ok"),
        ("paymentagg-history forget", "begun"),
        ("paymentagg-history forget", "ok"),
        ("paymentagg-history forget", "refused"),
    ]
    assert {line["peer"] for line in lines} == {f"user {pwd.getpwuid(os.getuid()).pw_name}"}
    assert [line.get("kind") for line in lines] == ["erase"] * 4 + [None]
    assert [line["parameters"] for line in lines if "parameters" in line] == [["days"]] * 2
    assert lines[3]["counts"]["rows"] >= 4
    assert [line.get("patient") for line in lines[2:4]] == [AuditFile(log).pseudonym("6")] * 2
    assert "6" not in {value for line in lines for value in line.values() if isinstance(value, str)}


def test_nothing_is_forgotten_if_the_audit_log_cannot_be_written(practice: TestApp, history: Command) -> None:
    for arguments in (("forget", "6"), ("prune", "--days", "0")):
        assert history.run(*arguments, PAYMENTAGG_AUDIT_FILE="/dev/full").returncode == 1
    assert kept(practice) == [0, 0, 1, 4]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], b"the following arguments are required: {prune,forget}"),
        (["forget"], b"the following arguments are required: EXTERNAL_ID"),
        (["forget", ""], b"argument EXTERNAL_ID: must be an id: 1 to 250 characters"),
        (["forget", "a\x01"], b"argument EXTERNAL_ID: must be an id"),
        (["prune", "--days", "-1"], b"--days: "),
        (["prune", "--days=36501"], b"--days: must be a number of days from 0 to 36500"),
        (["prune", "--days", "ten"], b"--days: must be a number of days"),
        (["prune", "-c", "no.ini"], b"no.ini does not exist"),
    ],
)
def test_wrong_usage_is_2_and_explained(tmp_path: Path, sqlite_url: str, arguments: list[str], words: bytes) -> None:
    done = Command(tmp_path, sqlite_url, HISTORY_SCRIPT).run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr


def test_nothing_is_erased_while_a_sync_runs(practice: TestApp, history: Command, database_url: str) -> None:
    with Command(history.folder, database_url).reading("--patients", "-"):
        for arguments in (("forget", "6"), ("prune", "--days", "0")):
            done = history.run(*arguments)
            assert done.returncode == 5
            assert b"another sync is running" in done.stderr
    assert kept(practice) == [0, 0, 1, 4]


def test_a_database_that_does_not_exist_is_6_and_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.sqlite"
    done = Command(tmp_path, f"sqlite:///{file}", HISTORY_SCRIPT).run("prune")
    assert (done.returncode, done.stdout) == (6, b"")
    assert b"the SQLite file doesn't exist or is empty" in done.stderr
    assert not file.exists()
