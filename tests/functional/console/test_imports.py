"""The console scripts import no more than they use: most of the time of a short run is importing."""

import shlex
import sys
from pathlib import Path

import pytest

from command import Command
from project import SAMPLES

FRAMEWORK = {"colander", "pyramid", "pyramid_tm", "waitress", "webob", "pkg_resources"}
SYNC = f"paymentagg-sync -c own.ini --patients {shlex.quote(str(SAMPLES / 'patients.json'))}"
OLD = shlex.quote(str(SAMPLES / "patients.json"))
RUN = """
import sys
from paymentagg.entrypoints.console.{}_cli import main

status = main()
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""
INI = """
[app:main]
use = egg:paymentagg
sqlalchemy.url = sqlite:///%(here)s/own.sqlite
paymentagg.audit_file = %(here)s/audit.jsonl
"""


@pytest.mark.parametrize(
    "command",
    [
        SYNC,
        f"{SYNC} --dry-run",
        "paymentagg-keys -c own.ini create --name billing --role reader",
        "paymentagg-keys -c own.ini list",
        "paymentagg-audit who-saw -c own.ini 5",
        "paymentagg-audit rotate -c own.ini",
        f"paymentagg-diff {OLD} {OLD} --model-name patient",
    ],
)
def test_no_console_script_imports_the_web_framework(tmp_path: Path, command: str) -> None:
    assert imported(tmp_path, command) & FRAMEWORK == set()


@pytest.mark.parametrize(
    "command",
    [
        "paymentagg-verify -c own.ini",
        "paymentagg-history -c own.ini prune",
        "paymentagg-history -c own.ini forget 99",
        "paymentagg-sync -c own.ini --undo 1",
    ],
)
def test_no_console_script_that_needs_a_database_imports_it_either(tmp_path: Path, command: str) -> None:
    imported(tmp_path, SYNC)
    assert imported(tmp_path, command) & FRAMEWORK == set()


def test_a_sync_with_an_existing_sqlite_file_imports_no_orm_no_migrations_and_nothing_of_postgresql(
    tmp_path: Path,
) -> None:
    imported(tmp_path, SYNC)

    unused = {"alembic", "sqlalchemy.orm", "psycopg2", "sqlalchemy.dialects.postgresql"}
    assert imported(tmp_path, SYNC) & unused == set()


def imported(folder: Path, command: str) -> set[str]:
    """Return the names of all modules that the command imports; run it in a folder with ``own.ini``."""
    script, *arguments = shlex.split(command)
    python = Command(folder, None, Path(sys.executable))
    python.write("own.ini", INI)
    done = python.run("-c", RUN.format(script.removeprefix("paymentagg-")), *arguments)
    assert done.returncode == 0, done.stderr.decode()
    modules = set(done.stderr.decode().splitlines()[-1].split())
    assert "paymentagg.app" in modules
    return modules
