"""paymentagg-init, run in a process of its own. tests/package/ runs the commands that it prints."""

import stat
from pathlib import Path

import pytest

from command import INIT_SCRIPT, SCRIPT, SERVE_SCRIPT, Command
from project import PROJECT, SAMPLES
from server import running

FILES = {
    "sqlite": {"environment", "production.ini", "paymentagg.service"},
    "postgresql": {"owner.env", "environment", "production.ini", "roles.sql", "paymentagg.service"},
}


@pytest.fixture
def init(tmp_path: Path) -> Command:
    return Command(tmp_path, None, INIT_SCRIPT)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_written_files_are_enough_for_a_first_sync_and_a_first_page(init: Command) -> None:
    assert init.run("clinic").returncode == 0
    sync = Command(init.folder, None, SCRIPT)
    ini = ["-c", "clinic/production.ini"]
    snapshots = ["--patients", str(SAMPLES / "patients.json"), "--payments", str(SAMPLES / "payments.json")]
    assert sync.run(*ini, *snapshots).returncode == 0
    with running([*ini, "--listen", "127.0.0.1:0"], init.folder, {}, SERVE_SCRIPT) as server:
        assert server.get("/ui").status == 200
        assert len(server.get("/patients").json) == 4
    assert (init.folder / "clinic" / "paymentagg.sqlite").is_file()


@pytest.mark.parametrize("database", FILES)
def test_each_database_has_its_files_and_only_the_owner_reads_the_password(init: Command, database: str) -> None:
    done = init.run("deep/clinic", "--database", database)
    folder = init.folder / "deep" / "clinic"
    assert done.returncode == 0
    assert {file.name for file in folder.iterdir()} >= FILES[database]
    assert mode(folder) == 0o750
    assert mode(folder / "environment") == 0o600
    assert mode(folder / "production.ini") & 0o007 == 0


@pytest.mark.parametrize(("given", "written"), [("production.ini", "production.ini"), ("docs/roles.sql", "roles.sql")])
def test_the_files_of_the_project_are_those_that_are_written(init: Command, given: str, written: str) -> None:
    init.run("clinic", "--database", "postgresql")
    assert (init.folder / "clinic" / written).read_bytes() == (PROJECT / given).read_bytes()


def test_the_services_are_for_this_folder_these_scripts_and_the_user(init: Command) -> None:
    init.run("clinic", "--user", "clerk")
    unit = (init.folder / "clinic" / "paymentagg-sync@.service").read_text()
    folder = init.folder / "clinic"
    assert f"\nWorkingDirectory={folder}\n" in unit
    assert f"\nExecStart={SCRIPT} -c {folder}/production.ini --no-progress $SNAPSHOTS\n" in unit
    assert "\nUser=clerk\n" in unit


@pytest.mark.parametrize("target", ["a file", "nowhere"])
def test_nothing_is_replaced_and_nothing_half_written(init: Command, target: str) -> None:
    folder = init.folder / "clinic"
    folder.mkdir()
    existing = folder / "production.ini"
    if target == "a file":
        existing.write_text("mine")
    else:
        existing.symlink_to("nowhere")
    done = init.run("clinic")
    assert done.returncode == 2
    assert b"clinic/production.ini exists" in done.stderr
    assert list(folder.iterdir()) == [existing]
    assert target != "a file" or existing.read_text() == "mine"


def test_if_a_file_cannot_be_written_whole_none_is_left(init: Command) -> None:
    limited = Command(init.folder, None, Path("/usr/bin/prlimit"))
    done = limited.run("--fsize=1000", str(INIT_SCRIPT), "clinic", PYTHONDONTWRITEBYTECODE="1")
    assert done.returncode == 1
    assert b"File too large; nothing was written" in done.stderr
    assert b"can't write clinic/" in done.stderr
    assert list(init.folder.iterdir()) == []


def test_a_user_that_is_no_name_is_refused(init: Command) -> None:
    assert init.run("clinic", "--user", "a\nb").returncode == 2


def test_a_folder_that_cannot_be_created_is_named(init: Command) -> None:
    init.write("file", "")
    done = init.run("file/clinic")
    assert done.returncode == 1
    assert b"can't write file/clinic: Not a directory" in done.stderr


@pytest.mark.parametrize("name", ["my clinic", "50%", "$HOME", "a\nb", "it's"])
def test_a_folder_whose_name_would_need_quotes_is_refused(init: Command, name: str) -> None:
    done = init.run(name)
    assert done.returncode == 2
    assert b"name another folder" in done.stderr
    assert list(init.folder.iterdir()) == []
