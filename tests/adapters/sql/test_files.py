"""Only its owner can read an SQLite file, and the files that SQLite creates next to it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from webtest import TestApp

from api import post
from builders import array, patient_row
from paymentagg.app import main
from project import PROJECT


def test_whoever_creates_it_and_however_open_the_process_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_alembic, by_app = tmp_path / "alembic.sqlite", tmp_path / "app.sqlite"
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", f"sqlite:///{by_alembic}")
    alembic = Path(sys.executable).with_name("alembic")
    subprocess.run([alembic, "-c", PROJECT / "production.ini", "upgrade", "head"], check=True)
    for file in (by_alembic, by_app):
        monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", f"sqlite:///{file}")
        app = TestApp(main({}))
        post(app, "/patients", array(patient_row()))
        beside = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.glob(f"{file.name}*")}
        assert beside == dict.fromkeys([file.name, f"{file.name}-wal", f"{file.name}-shm"], 0o600)


@pytest.fixture(autouse=True)
def _open_process() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)
