"""Snapshots that were synced before or are older than the last one, by HTTP and by the console script."""

from pathlib import Path

import pytest
from webtest import TestApp

from api import NDJSON, post
from builders import array, ndjson, patient_row
from command import Command
from project import SAMPLES

PATIENTS = str(SAMPLES / "patients.json")


def test_the_very_same_file_is_recognised_unless_a_comparison_is_forced(command: Command) -> None:
    command.run("--patients", PATIENTS)

    again = command.run("--patients", PATIENTS, "-v3")
    forced = command.run("--patients", PATIENTS, "-v3", "--force")

    assert (again.returncode, forced.returncode) == (0, 0)
    assert again.stdout == forced.stdout == b"patients: 0 created, 0 updated, 0 deleted, 4 unchanged, 0 rejected\n"
    assert b"comparing" not in again.stderr
    assert b"comparing" in forced.stderr


def test_an_older_file_is_refused(command: Command) -> None:
    newer = command.run("--patients", PATIENTS, "--taken-at", "2026-01-02T00:00:00Z")
    older = command.run("--patients", PATIENTS, "--taken-at", "2026-01-02T00:00:00+00:01")
    wrong = command.run("--patients", PATIENTS, "--taken-at", "2026-01-02")

    assert (newer.returncode, older.returncode, wrong.returncode) == (0, 8, 2)
    assert b"taken at 2026-01-01T23:59:00Z, before the last one" in older.stderr
    assert older.stderr.endswith(b"nothing was changed\n")
    assert b"--taken-at" in wrong.stderr


def test_the_same_bytes_again_are_recognised_whatever_was_sent_between_unchanged(app: TestApp) -> None:
    body = array(patient_row("5"), patient_row("6"))
    first = post(app, "/patients", body).json
    again = post(app, "/patients", body).json
    assert first["patients"]["created"] == again["patients"]["unchanged"] == again["patients"]["rows"] == 2
    assert again["id"] == first["id"] + 1


def test_the_same_bytes_sent_as_something_else_are_not_recognised(app: TestApp) -> None:
    body = ndjson(patient_row("5"))
    post(app, "/patients", body, NDJSON)
    post(app, "/patients", body, status=400)
    post(app, "/patients", body, NDJSON, status=400, Content_Encoding="gzip")


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    return Command(tmp_path, database_url)
