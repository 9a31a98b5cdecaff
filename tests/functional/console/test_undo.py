"""paymentagg-sync --undo: takes back the latest sync that changed something."""

import json
from pathlib import Path

import pytest

from auditlog import events
from builders import array, patient_row
from command import Command

PATIENTS = array(patient_row("5"), patient_row("6"))
WRONG = array(patient_row("7"))


def test_an_undo_prints_what_a_sync_prints(command: Command) -> None:
    done = command.run("--undo", "2")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"patients: 2 created, 0 updated, 1 deleted, 0 unchanged, 0 rejected\n"
    assert command.stored("patients") == 2


def test_a_dry_run_of_an_undo_changes_nothing(command: Command) -> None:
    done = command.run("--undo", "2", "--dry-run", "--json")

    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"dry run: nothing was changed\n")
    assert (report["id"], report["undoes"], report["patients"]["deleted"]) == (None, 2, 1)
    assert command.stored("patients") == 1


@pytest.mark.parametrize(("sync", "words"), [("1", "sync 1 can't be undone"), ("99", "there is no sync 99")])
def test_another_sync_is_2_and_the_message_names_the_one_that_is_next(command: Command, sync: str, words: str) -> None:
    done = command.run("--undo", sync)

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.decode().startswith(f"paymentagg-sync: error: {words}")
    assert done.stderr.endswith(b"; the next one to undo is sync 2; nothing was changed\n")


def test_an_undo_in_a_database_that_does_not_exist_is_6_and_creates_none(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.sqlite"
    done = Command(tmp_path, f"sqlite:///{file}").run("--undo", "1")
    assert (done.returncode, done.stdout) == (6, b"")
    assert b"the SQLite file doesn't exist or is empty" in done.stderr
    assert not file.exists()


def test_the_snapshot_of_a_sync_that_was_undone_is_10_until_it_is_forced(command: Command) -> None:
    command.run("--undo", "2")

    for flags in ([], ["--dry-run"]):
        held = command.run("--patients", "wrong.json", *flags)
        assert (held.returncode, held.stdout) == (10, b"")
        assert held.stderr.endswith(b"; nothing was changed\n")
        assert b"--force" in held.stderr
    assert command.stored("patients") == 2
    assert command.run("--patients", "right.json").returncode == 0
    assert command.run("--patients", "wrong.json", "--force").returncode == 0
    assert command.stored("patients") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--patients", "right.json"],
        ["--payments", "-"],
        ["--input-file", "right.json", "--model-name", "patient"],
        ["--force"],
        ["--strict"],
        ["--max-delete", "0"],
        ["--taken-at", "2026-01-01T00:00:00Z"],
        ["--rejects", "rejects.ndjson"],
        ["--overwrite"],
    ],
)
def test_an_undo_takes_no_snapshot_and_no_option_of_a_sync(command: Command, arguments: list[str]) -> None:
    done = command.run("--undo", "2", *arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{arguments[0]} can't be used together with it" in done.stderr.decode()
    assert command.stored("patients") == 1


@pytest.mark.parametrize("sync", ["0", "-1", "x", "1.0", "", "٣", "9" * 30])
def test_what_is_no_id_is_usage(command: Command, sync: str) -> None:
    assert command.run(f"--undo={sync}").returncode == 2


def test_while_a_sync_runs_an_undo_is_5(command: Command) -> None:
    with command.reading("--patients", "-"):
        assert command.run("--undo", "2").returncode == 5


def test_an_undo_has_its_lines_in_the_audit_log(command: Command) -> None:
    command.run("--undo", "2", PAYMENTAGG_AUDIT_FILE="audit.jsonl")

    begun, ended = events(command.folder / "audit.jsonl")
    assert (begun["kind"], begun["outcome"]) == ("undo", "begun")
    assert (ended["kind"], ended["sync"], ended["undoes"], ended["parameters"]) == ("undo", 3, 2, ["undo"])


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    """paymentagg-sync with a database whose sync 2 has deleted the patients of sync 1."""
    command = Command(tmp_path, database_url)
    for name, snapshot in ("right.json", PATIENTS), ("wrong.json", WRONG):
        command.write(name, snapshot)
        assert command.run("--patients", name).returncode == 0
    return command
