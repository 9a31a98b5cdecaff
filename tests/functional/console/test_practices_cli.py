"""The console script paymentagg-practices."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from command import PRACTICES_SCRIPT, Command
from paymentagg.adapters.sql import schema
from postgres import connect

MANY = {"PAYMENTAGG_PRACTICES": "many", "PAYMENTAGG_ACCESS": "keys"}


class Practices(Command):
    """The script on a new database for many practices, with an audit log."""

    @property
    def audit_log(self) -> list[dict[str, object]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]

    def environment(self, **variables: str) -> dict[str, str]:
        log = {"PAYMENTAGG_AUDIT_FILE": str(self.folder / "audit.jsonl")}
        return super().environment(**(MANY | log | variables))

    def states(self) -> dict[str, tuple[str | None, str]]:
        """Return the revision and the state of each practice, as the script lists them."""
        listed = json.loads(self.run("list", "--json").stdout)
        return {each["name"]: (each["revision"], each["state"]) for each in listed}

    def execute(self, *statements: str) -> None:
        """Execute statements as the owner of all."""
        assert self.url is not None
        with connect(self.url) as connection:
            for statement in statements:
                connection.execute(sa.text(statement))


@pytest.fixture
def practices(tmp_path: Path, new_postgres_url: str) -> Practices:
    return Practices(tmp_path, new_postgres_url, PRACTICES_SCRIPT)


def test_it_creates_practices_and_lists_them(practices: Practices) -> None:
    assert practices.run("list").stdout.split() == [b"name", b"revision", b"state"]
    done = practices.run("create", "north", "user", "north")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"the practice north is created\nthe practice user is created\n"
    assert practices.states() == dict.fromkeys(("north", "user"), (schema.REVISION, "live"))
    header, *rows = practices.run("list").stdout.decode().splitlines()
    assert header.split() == ["name", "revision", "state"]
    assert [row.split() for row in rows] == [[name, schema.REVISION, "live"] for name in ("north", "user")]


def test_a_name_that_is_taken_or_no_name_is_refused_and_the_others_are_created(practices: Practices) -> None:
    practices.execute("CREATE SCHEMA other")
    taken = practices.run("create", "other")
    assert taken.returncode == 2
    assert b"NAME: other is a schema already; paymentagg-practices list shows all" in taken.stderr
    for name in ("North", "pg_north", "public"):
        refused = practices.run("create", "south", name)
        assert (refused.returncode, b"argument NAME: must" in refused.stderr) == (2, True)
    some = practices.run("create", "other", "south")
    assert some.returncode == 1
    assert b"other: NAME: other is a schema already" in some.stderr
    assert practices.states() == {"south": (schema.REVISION, "live")}


def test_archiving_a_practice_shows_in_the_list_and_can_be_repeated(practices: Practices) -> None:
    practices.run("create", "north", "south")
    for _ in range(2):
        assert practices.run("archive", "south").returncode == 0
    assert practices.states() == {"north": (schema.REVISION, "live"), "south": (schema.REVISION, "archived")}
    missing = practices.run("archive", "west")
    assert (missing.returncode, b"there is no practice west" in missing.stderr) == (6, True)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_it_migrates_all_practices_says_which_failed_and_can_be_run_again(practices: Practices, jobs: str) -> None:
    practices.run("create", "a", "b", "c")
    for name in ("a", "b", "c"):
        practices.execute(f"UPDATE {name}.alembic_version SET version_num = '0008'")
        if name != "b":  # what the last migration has done
            practices.execute(f"DROP VIEW {name}.patients_with_totals, {name}.payments_decimal")
    practices.execute("UPDATE c.alembic_version SET version_num = '9999'")
    failed = practices.run("migrate", "--jobs", jobs)
    assert (failed.returncode, failed.stdout) == (1, b"")
    assert b"error: c: the database can't be used: its schema is newer" in failed.stderr
    assert b"2 of 3 practices failed; run this again for b c" in failed.stderr
    assert practices.states()["a"] == (schema.REVISION, "live")


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b")])
def test_it_migrates_what_is_named(practices: Practices, names: tuple[str, ...]) -> None:
    practices.run("create", "a", "b", "c")
    practices.run("archive", "a")
    done = practices.run("migrate", *names)
    assert done.returncode == 0
    assert done.stdout == f"{len(names) or 3} practices have the schema of this version\n".encode()
    assert practices.states()["a"] == (schema.REVISION, "archived")


def test_practices_that_dont_exist_and_other_schemas_arent_migrated(practices: Practices) -> None:
    practices.execute("CREATE SCHEMA other")
    missing = practices.run("migrate", "other")
    assert (missing.returncode, b"there is no practice other" in missing.stderr) == (6, True)


def test_the_audit_log_has_the_beginning_and_the_outcome_with_the_practice(practices: Practices) -> None:
    practices.run("create", "north")
    practices.run("create", "north")
    practices.run("archive", "north")
    practices.run("migrate")
    lines = [
        (line["route"], line["outcome"], line.get("code"), line["practice"], line["kind"])
        for line in practices.audit_log
    ]
    kinds = [("create", "ok", None), ("create", "refused", "invalid-parameter"), ("archive", "ok", None)]
    kinds.append(("migrate", "ok", None))
    assert lines == [
        (f"paymentagg-practices {command}", each, each_code, "north", "practice")
        for command, outcome, code in kinds
        for each, each_code in (("begun", None), (outcome, code))
    ]


def test_with_one_practice_it_says_which_setting_it_needs(practices: Practices) -> None:
    refused = practices.run("list", PAYMENTAGG_PRACTICES="one")
    assert refused.returncode == 2
    assert b"paymentagg.practices: this needs many; set it, or PAYMENTAGG_PRACTICES" in refused.stderr


@pytest.mark.parametrize("arguments", [("migrate", "--jobs", "0"), ("migrate", "--jobs", "x"), ("create",), ()])
def test_usage_errors(practices: Practices, arguments: tuple[str, ...]) -> None:
    done = practices.run(*arguments)
    assert (done.returncode, b"usage: paymentagg-practices" in done.stderr) == (2, True)
