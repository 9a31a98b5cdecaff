"""A full disk, for the database, an upload or a spreadsheet: an error, no change, then normal service with space."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import MULTIPART, XLSX, checked, multipart, part, post
from builders import array, gzipped, patient_row, payment_row
from command import Command
from faults.programs import synced
from faults.states import ALLOW_ALL_DELETIONS, states
from fingerprint import fingerprint
from paymentagg.app import main
from postgres import connect
from server import serving

pytestmark = pytest.mark.faults

_, FIRST, SECOND = states(patients=2_000, payments=12_000)


def test_a_server_whose_database_has_no_room_is_unavailable_until_there_is_some(
    sqlite_url: str, tmp_path: Path
) -> None:
    body = gzipped(FIRST.snapshots["patients"])  # small enough not to be written to a temporary file
    before = fingerprint(sqlite_url)
    with serving(tmp_path, sqlite_url) as server:
        assert server.get("/patients").status == 200
        with file_size_limited_to(50_000, server.process.pid):
            answer = server.post("/patients", body, Content_Encoding="gzip")
            assert (answer.status, answer.code) == (503, "database-unavailable")
            assert answer.headers["Retry-After"]
            assert server.get("/patients").status == 200
        assert fingerprint(sqlite_url) == before
        assert server.post("/patients", body, Content_Encoding="gzip").status == 200
    assert fingerprint(sqlite_url).content.patients == FIRST.content.patients


def test_an_upload_for_which_there_is_no_room_is_refused_until_there_is_some(database_url: str, tmp_path: Path) -> None:
    before = fingerprint(database_url)
    with serving(tmp_path, database_url) as server:
        assert server.get("/patients").status == 200
        with file_size_limited_to(100_000, server.process.pid):
            answer = server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", FIRST.body, MULTIPART)
            assert (answer.status, answer.code) == (507, "insufficient-storage")
            chunked = server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", iter([FIRST.body]), MULTIPART)
            assert (chunked.status, chunked.code) == (507, "insufficient-storage")
            assert server.get("/patients").status == 200
        assert fingerprint(database_url) == before
        assert server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", FIRST.body, MULTIPART).status == 200
    assert fingerprint(database_url).content == FIRST.content


def test_a_console_script_whose_database_has_no_room_fails_and_is_right_when_there_is_some(
    sqlite_url: str, tmp_path: Path
) -> None:
    before = fingerprint(sqlite_url)
    command = Command(tmp_path, sqlite_url)
    files = [f"--{name}={command.write(name, rows)}" for name, rows in FIRST.snapshots.items()]

    with file_size_limited_to(50_000, os.getpid()):  # the child process inherits the limit
        done = command.run(*files)

    assert (done.returncode, done.stdout) == (6, b"")
    assert (
        b"nothing was changed" in done.stderr or b"it is safe to run it again" in done.stderr
    )  # SQLite may write only while committing
    assert fingerprint(sqlite_url) == before
    assert command.run(*files).returncode == 3


def test_a_part_of_a_form_that_cannot_be_kept_is_refused(database_url: str) -> None:
    before = fingerprint(database_url)
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    body = multipart(part("payments", array(*[payment_row(f"{n}") for n in range(30_000)])))

    with file_size_limited_to(100_000, os.getpid()):
        answer = app.request("/snapshot", method="POST", body=body, headers={"Content-Type": MULTIPART}, status=507)

    checked(answer, "insufficient-storage", 507)
    assert fingerprint(database_url) == before


def test_a_spreadsheet_for_which_there_is_no_room_is_an_error_until_there_is_some(database_url: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    post(app, "/patients", array(*[patient_row(f"{n}") for n in range(3_000)]))
    excel = {"Accept": XLSX}

    with file_size_limited_to(100_000, os.getpid()):
        checked(app.get("/patients", headers=excel, status=507), "insufficient-storage", 507)
        assert len(app.get("/patients?limit=1000").json) == 1_000
    assert app.get("/patients", headers=excel).content_type == XLSX


def test_a_sync_for_which_postgresql_has_no_room_is_unavailable_until_there_is_some(
    disposable_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, disposable_url) as server, connect(disposable_url) as administrator:
        assert synced(server, FIRST).is_done
        before = fingerprint(disposable_url)
        for setting in ("temp_file_limit", "work_mem"):
            administrator.execute(sa.text(f"ALTER SYSTEM SET {setting} = '64kB'"))
        administrator.execute(sa.text("SELECT pg_reload_conf()"))

        answer = server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", SECOND.body, MULTIPART)

        assert (answer.status, answer.code) == (503, "database-unavailable")
        assert answer.headers["Retry-After"]
        assert fingerprint(disposable_url) == before
        administrator.execute(sa.text("ALTER SYSTEM RESET ALL"))
        administrator.execute(sa.text("SELECT pg_reload_conf()"))
        assert synced(server, SECOND).is_done
    assert fingerprint(disposable_url).content == SECOND.content


@contextmanager
def file_size_limited_to(size: int, process: int) -> Iterator[None]:
    """Limit the size, in bytes, to which a process can extend files: writes beyond it fail, as on a full disk."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.prlimit(process, resource.RLIMIT_FSIZE, (hard, hard))
