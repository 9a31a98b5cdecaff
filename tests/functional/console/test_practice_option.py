"""``--practice`` and PAYMENTAGG_PRACTICE: which of many practices a console script works for."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import array, patient_row
from command import DIFF_SCRIPT, HISTORY_SCRIPT, KEYS_SCRIPT, SCRIPT, VERIFY_SCRIPT, Command
from keyring import Keyring, closed, using
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from postgres import NORTH, SOUTH

AUDIT_SCRIPT = SCRIPT.with_name("paymentagg-audit")
MANY = {"PAYMENTAGG_PRACTICES": "many", "PAYMENTAGG_ACCESS": "keys"}
ARGUMENTS = {
    SCRIPT: ("--patients", "patients.json"),
    VERIFY_SCRIPT: ("--patients", "patients.json"),
    HISTORY_SCRIPT: ("prune",),
    KEYS_SCRIPT: ("list",),
}


class Script(Command):
    """A script on the database of many practices, with an audit log."""

    def environment(self, **variables: str) -> dict[str, str]:
        log = {"PAYMENTAGG_AUDIT_FILE": str(self.folder / "audit.jsonl")}
        return super().environment(**(MANY | log | variables))

    def practices_in_the_audit_log(self) -> list[str | None]:
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [json.loads(line).get("practice") for line in lines]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patients.json").write_bytes(array(patient_row("5")))
    return tmp_path


@pytest.fixture
def south(practices_url: str) -> Iterator[Keyring]:
    keys = Keyring(practices_url, SOUTH)
    yield keys
    keys.store.close()


@pytest.mark.parametrize("script", ARGUMENTS, ids=lambda script: script.name)
def test_a_script_works_for_the_practice_that_is_named(practices_url: str, folder: Path, script: Path) -> None:
    sync = Script(folder, practices_url)
    assert sync.run("--practice", NORTH, *ARGUMENTS[SCRIPT]).returncode == 0
    asked = Script(folder, practices_url, script)
    arguments = ARGUMENTS[script]
    named = asked.run(*arguments, "--practice", NORTH)
    inherited = asked.run(*arguments, PAYMENTAGG_PRACTICE=NORTH)
    both = asked.run(*arguments, "--practice", NORTH, PAYMENTAGG_PRACTICE=SOUTH)
    assert [done.returncode for done in (named, inherited, both)] == [0, 0, 0], named
    assert set(sync.practices_in_the_audit_log()) == {NORTH}


def test_what_it_does_in_one_practice_isnt_seen_in_another(practices_url: str, folder: Path) -> None:
    assert Script(folder, practices_url).run("--practice", NORTH, *ARGUMENTS[SCRIPT]).returncode == 0
    verify = Script(folder, practices_url, VERIFY_SCRIPT)
    assert verify.run("--practice", NORTH, *ARGUMENTS[VERIFY_SCRIPT]).returncode == 0
    differs = verify.run("--practice", SOUTH, *ARGUMENTS[VERIFY_SCRIPT])
    assert (differs.returncode, b"1 differences" in differs.stdout) == (3, True)


@pytest.mark.parametrize("script", ARGUMENTS, ids=lambda script: script.name)
def test_without_a_practice_it_says_how_to_name_one(practices_url: str, folder: Path, script: Path) -> None:
    asked = Script(folder, practices_url, script)
    for done in (asked.run(*ARGUMENTS[script]), asked.run(*ARGUMENTS[script], PAYMENTAGG_PRACTICE="")):
        assert done.returncode == 2
        assert b"argument --practice: name one, here or in the environment as PAYMENTAGG_PRACTICE" in done.stderr


@pytest.mark.parametrize("script", ARGUMENTS, ids=lambda script: script.name)
def test_a_practice_that_doesnt_exist_is_an_error(practices_url: str, folder: Path, script: Path) -> None:
    asked = Script(folder, practices_url, script)
    missing = asked.run(*ARGUMENTS[script], "--practice", "nowhere")
    assert (missing.returncode, b"there is no practice nowhere" in missing.stderr) == (6, True)
    for name in ("No", "public"):
        wrong = asked.run(*ARGUMENTS[script], "--practice", name)
        assert (wrong.returncode, b"argument --practice: must" in wrong.stderr) == (2, True)
    wrong = asked.run(*ARGUMENTS[script], PAYMENTAGG_PRACTICE="No")
    assert (wrong.returncode, b"PAYMENTAGG_PRACTICE: must" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("script", ARGUMENTS, ids=lambda script: script.name)
def test_where_there_is_one_practice_none_may_be_named(sqlite_url: str, folder: Path, script: Path) -> None:
    one = Command(folder, sqlite_url, script)
    named = one.run(*ARGUMENTS[script], "--practice", NORTH)
    assert (named.returncode, b"argument --practice: there is only one practice" in named.stderr) == (2, True)
    inherited = one.run(*ARGUMENTS[script], PAYMENTAGG_PRACTICE=NORTH)
    assert (inherited.returncode, b"PAYMENTAGG_PRACTICE: there is only one practice" in inherited.stderr) == (2, True)


def test_a_key_names_its_practice_and_opens_it_alone(practices_url: str, folder: Path, south: Keyring) -> None:
    keys = Script(folder, practices_url, KEYS_SCRIPT)
    created = keys.run("create", "--practice", SOUTH, "--role", "reader", "--name", "billing")
    key = created.stdout.decode().strip()
    token = api_keys.parse(key)
    assert token is not None
    assert token.practice == SOUTH
    rotated = api_keys.parse(keys.run("--practice", SOUTH, "rotate", token.key_id).stdout.decode().strip())
    assert rotated is not None
    assert rotated.practice == SOUTH
    app = closed(practices_url, practices="many")
    using(app, key).get("/patients", status=200)
    using(app, south.key(Role.READER)).get("/patients", status=200)
    assert keys.run("--practice", NORTH, "revoke", token.key_id).returncode == 2
    assert keys.run("--practice", SOUTH, "revoke", token.key_id).returncode == 0
    using(app, key).get("/patients", status=401)


def test_who_saw_finds_the_reads_of_a_patient_of_the_practice_alone(practices_url: str, folder: Path) -> None:
    log = folder / "audit.jsonl"
    app = closed(practices_url, practices="many", audit_file=str(log))
    clients = {name: using(app, Keyring(practices_url, name).key(Role.READER)) for name in (NORTH, SOUTH)}
    for name, reads in ((NORTH, 2), (SOUTH, 1)):
        for _ in range(reads):
            clients[name].get("/patients/5", status=404)
        clients[name].get("/patients")
    audit = Script(folder, practices_url, AUDIT_SCRIPT)
    for name, reads in ((NORTH, 2), (SOUTH, 1)):
        found = audit.run("who-saw", "5", "--practice", name)
        assert (found.stdout.count(b"\n"), b"1 reads of lists" in found.stderr) == (reads, True)


def test_comparing_two_files_needs_no_practice(practices_url: str, folder: Path) -> None:
    diff = Script(folder, practices_url, DIFF_SCRIPT)
    assert diff.run("patients.json", "patients.json", "--model-name", "patient").returncode == 0
