"""The audit log and the console: the events that paymentagg-sync appends, and the commands of paymentagg-audit."""

import json
import os
import pwd
import signal
import stat
from pathlib import Path

import pytest

from auditlog import AUDIT, Audited, events
from builders import array, patient_row, payment_row
from command import Command, finish
from server import serving

PATIENTS = [patient_row(str(number)) for number in range(3)]


def test_a_sync_has_begun_before_it_is_done(command: Command, log: Path) -> None:
    patients = command.write("patients.json", array(*PATIENTS, patient_row("9", lastName="")))
    done = command.run("--patients", patients, "--max-delete", "5", "--taken-at", "2026-01-01T00:00:00Z")
    assert done.returncode == 3
    begun, ended = events(log)
    assert begun["request"] == ended["request"]
    assert (begun["outcome"], begun["kind"]) == ("begun", "sync")
    assert {name: ended.get(name) for name in ("key", "role", "peer", "method", "route", "outcome", "status")} == {
        "key": None,
        "role": "console",
        "peer": f"user {pwd.getpwuid(os.getuid()).pw_name}",
        "method": None,
        "route": "paymentagg-sync",
        "outcome": "ok",
        "status": 3,
    }
    assert ended["parameters"] == ["max_delete", "taken_at"]
    assert ended["counts"]["patients"] == {"created": 3, "updated": 0, "deleted": 0, "unchanged": 0, "rejected": 1}
    assert ended["sync"] == 1
    assert len(ended["digests"]["patients"]) == 64
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("snapshot", "arguments", "outcome", "code", "status"),
    [
        (b"[", [], "refused", "invalid-snapshot", 7),
        (b"[]", ["--max-delete", "0"], "refused", "deletion-guard", 4),
        (array(patient_row("9", lastName="")), ["--strict"], "refused", "rejected-rows", 9),
        (array(*PATIENTS), ["--dry-run"], "ok", None, 0),
    ],
)
def test_every_outcome_has_a_line(
    command: Command, log: Path, snapshot: bytes, arguments: list[str], outcome: str, code: str | None, status: int
) -> None:
    command.run("--patients", command.write("before.json", array(*PATIENTS)))
    before = len(events(log))
    done = command.run("--patients", command.write("patients.json", snapshot), *arguments)
    assert done.returncode == status
    begun, ended = events(log)[before:]
    assert begun["outcome"] == "begun"
    assert (ended["outcome"], ended.get("code"), ended["status"]) == (outcome, code, status)
    assert ended["kind"] == ("dry-run" if "--dry-run" in arguments else "sync")


def test_an_interrupted_sync_has_a_line(command: Command, log: Path) -> None:
    with command.reading("--patients", "-") as process:
        assert finish(process, signal.SIGTERM)[0] == 143
    ended = events(log)[-1]
    assert (ended["outcome"], ended["code"], ended["status"]) == ("failed", "interrupted", 143)


def test_a_sync_that_is_killed_has_begun_and_nothing_more(command: Command, log: Path) -> None:
    with command.reading("--patients", "-") as process:
        finish(process, signal.SIGKILL)
    assert [line["outcome"] for line in events(log)] == ["begun"]
    command.run("--patients", command.write("patients.json", array(*PATIENTS)))
    assert [line["outcome"] for line in events(log)] == ["begun", "begun", "ok"]


def test_a_database_that_is_gone_is_noted(command: Command, log: Path) -> None:
    done = command.run(
        "--patients",
        command.write("patients.json", array(*PATIENTS)),
        PAYMENTAGG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
    )
    assert done.returncode == 6
    assert (events(log)[-1]["outcome"], events(log)[-1]["code"]) == ("failed", "database-unavailable")


def test_nothing_is_synced_if_the_audit_log_cannot_be_written(command: Command) -> None:
    done = command.run(
        "--patients", command.write("patients.json", array(*PATIENTS)), PAYMENTAGG_AUDIT_FILE="/dev/full"
    )
    assert done.returncode == 1
    assert done.stderr == (
        b"paymentagg-sync: error: the audit log can't be written: No space left on device; nothing was changed\n"
    )
    assert command.stored("patients") == 0


def test_a_sync_that_is_done_but_cannot_be_noted_says_so(command: Command, log: Path) -> None:
    with command.reading("--patients", "-") as process:
        log.unlink()
        log.symlink_to("/dev/full")
        assert process.stdin is not None
        process.stdin.write(array(*PATIENTS))
        process.stdin.close()
        status, _, said = finish(process)
    assert status == 0
    assert b"the sync is done, but its outcome is missing from the audit log, which can't be written" in said
    assert command.stored("patients") == 3


def test_a_log_that_cannot_be_opened_is_wrong_usage(command: Command) -> None:
    done = command.run("--patients", command.write("p.json", array(*PATIENTS)), PAYMENTAGG_AUDIT_FILE="no/folder")
    assert done.returncode == 2
    assert b"paymentagg.audit_file: no/folder can't be opened for appending: No such file or directory" in done.stderr


def test_verify_says_what_a_log_holds(audit: Command, log: Path, command: Command) -> None:
    patients = command.write("patients.json", array(*PATIENTS))
    for _ in range(2):
        command.run("--patients", patients)
    first, *_, last = events(log)
    done = audit.run("verify", str(log))
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == f"4 lines from {first['time'][:19]}Z to {last['time'][:19]}Z; the chain begins here"
    assert lines[2] == "the chain holds"
    noted = lines[1].removeprefix("last hash: ")
    command.run("--patients", patients)
    assert audit.run("verify", "--last", noted, str(log)).returncode == 0

    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
    done = audit.run("verify", "--last", noted, str(log))
    assert done.returncode == 1
    assert b"no line has the noted hash" in done.stderr
    assert done.stdout.endswith(b"the chain is BROKEN\n")
    assert audit.run("verify", str(log)).returncode == 0  # the chain alone doesn't show that its end is missing


def test_verify_says_where_a_chain_breaks_and_what_is_torn(audit: Command, log: Path, command: Command) -> None:
    patients = command.write("patients.json", array(*PATIENTS))
    for _ in range(3):
        command.run("--patients", patients)
    lines = log.read_bytes().splitlines()
    log.write_bytes(b"\n".join([lines[0], lines[1].replace(b'"created":3', b'"created":2'), *lines[2:]]) + b'\n{"time"')
    done = audit.run("verify", str(log))
    assert done.returncode == 1
    broken, torn = done.stderr.decode().splitlines()
    assert broken.startswith(f"{log}: line 3 does not follow the previous line")
    assert torn.startswith(f"{log}: line 7 is torn")
    assert done.stdout.endswith(b"the chain is BROKEN\n")


def test_a_log_is_rotated_while_it_is_written(
    audit: Command, log: Path, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PAYMENTAGG_AUDIT_FILE", str(log))
    assert command.url is not None
    with serving(tmp_path / "server", command.url) as server:
        server.get("/patients")
        done = audit.run("rotate")
        assert done.returncode == 0
        archive = Path(done.stdout.decode().strip())
        server.get("/payments")
        command.run("--payments", command.write("payments.json", array(payment_row("1", "1"))))
    assert [line["route"] for line in events(archive, log)] == [
        "/patients",
        "paymentagg-audit rotate",
        "/payments",
        "paymentagg-sync",
        "paymentagg-sync",
    ]
    assert json.loads(log.read_bytes().splitlines()[0])["route"] == "paymentagg-audit rotate"
    assert audit.run("verify", str(archive), str(log)).returncode == 0
    assert b"the chain goes on from " in audit.run("verify", str(log)).stdout
    done = audit.run("verify", str(log), str(archive))
    assert (done.returncode, b"line 1 does not follow" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], b"the following arguments are required"),
        (["verify"], b"the following arguments are required"),
        (["verify", "no.jsonl"], b"no.jsonl: can't be read: No such file or directory"),
        (["verify", "--last", "abc", "no.jsonl"], b"must be 64 hexadecimal digits"),
        (["rotate", "-c", "no.ini"], b"no.ini does not exist"),
        (["rotate"], b"there is no audit log to rotate"),
    ],
)
def test_wrong_usage_is_reported(command: Command, arguments: list[str], words: bytes) -> None:
    done = Command(command.folder, command.url, AUDIT).run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_file_that_is_no_audit_log_is_reported(audit: Command) -> None:
    done = audit.run("verify", audit.write("notes.txt", "one\ntwo\n"))
    assert done.returncode == 1
    assert b"this is not an audit log" in done.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def command(tmp_path: Path, sqlite_url: str) -> Command:
    return Audited(tmp_path, sqlite_url)


@pytest.fixture
def audit(tmp_path: Path, sqlite_url: str) -> Command:
    return Audited(tmp_path, sqlite_url, AUDIT)
