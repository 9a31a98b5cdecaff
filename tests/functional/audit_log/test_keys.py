"""paymentagg-keys and the audit log: each change of a key leaves its lines, by the user of this machine."""

import os
import pwd
from pathlib import Path

import pytest

from auditlog import Audited, events
from command import KEYS_SCRIPT, Command
from keyring import secret_of


def test_each_change_of_a_key_is_noted_with_its_public_id_and_the_user_and_without_its_secret(
    keys: Command, log: Path
) -> None:
    created = keys.run("create", "--role", "admin", "--name", "billing", "--expires-in", "30").stdout.decode().strip()
    rotated = keys.run("rotate", created[5:13]).stdout.decode().strip()
    keys.run("revoke", created[5:13])
    lines = events(log)
    done = [
        (f"paymentagg-keys {verb}", key[5:13])
        for verb, key in (("create", created), ("rotate", rotated), ("revoke", created))
    ]
    assert [(line["route"], line["key"]) for line in lines] == [each for each in done for _ in range(2)]
    assert [line["outcome"] for line in lines] == ["begun", "ok"] * 3
    assert {line["peer"] for line in lines} == {f"user {pwd.getpwuid(os.getuid()).pw_name}"}
    assert {(line["role"], line["kind"]) for line in lines} == {("console", "key")}
    assert [line.get("status") for line in lines[1::2]] == [0, 0, 0]
    for key in (created, rotated):
        assert secret_of(key) not in log.read_text()
    assert "billing" not in log.read_text()


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["create", "--role", "admin", "--name", "typed123", "--expires-in", "366"], "create"),
        (["revoke", "typed123"], "revoke"),
    ],
)
def test_a_refused_change_is_noted_without_what_was_typed(
    keys: Command, log: Path, arguments: list[str], command: str
) -> None:
    assert keys.run(*arguments).returncode == 2
    (line,) = events(log)
    assert (line["route"], line["key"], line["outcome"]) == (f"paymentagg-keys {command}", None, "refused")
    assert (line["code"], line["status"]) == ("invalid-parameter", 2)
    assert "typed" not in log.read_text()


def test_no_key_is_changed_if_the_audit_log_cannot_be_written(keys: Command) -> None:
    create = ("create", "--role", "admin", "--name", "billing")
    done = keys.run(*create, PAYMENTAGG_AUDIT_FILE="/dev/full")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"paymentagg-keys: error: the audit log can't be written: No space left on device\n"
    assert keys.stored("api_keys") == 0


def test_listing_keys_changes_nothing_and_is_not_noted(keys: Command, log: Path) -> None:
    keys.run("list")
    assert events(log) == []


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def keys(tmp_path: Path, database_url: str) -> Command:
    return Audited(tmp_path, database_url, KEYS_SCRIPT)
