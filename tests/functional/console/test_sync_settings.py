"""paymentagg-sync: the sources of its settings, and wrong usage."""

from importlib.metadata import version
from pathlib import Path

import pytest

from builders import array, patient_row
from command import SCRIPT, Command
from project import SAMPLES

PATIENTS = str(SAMPLES / "patients.json")
INI = "[app:main]\nuse = egg:paymentagg\nsqlalchemy.url = sqlite:///{}\n"


def test_without_settings_an_sqlite_file_is_created_in_the_current_folder(bare: Command) -> None:
    done = bare.run("--patients", PATIENTS)

    assert (done.returncode, done.stderr) == (0, b"")
    assert (bare.folder / "paymentagg.sqlite").is_file()
    assert bare.run("--patients", PATIENTS).stdout == (
        b"patients: 0 created, 0 updated, 0 deleted, 4 unchanged, 0 rejected\n"
    )


@pytest.mark.parametrize("before", [None, b""])
def test_a_dry_run_creates_no_file(bare: Command, before: bytes | None) -> None:
    if before is not None:
        bare.write("paymentagg.sqlite", before)
    existing = contents(bare.folder)

    done = bare.run("--patients", PATIENTS, "--dry-run", "--rejects", "rejects.ndjson")

    assert (done.returncode, done.stdout) == (
        0,
        b"patients: 4 created, 0 updated, 0 deleted, 0 unchanged, 0 rejected\n",
    )
    assert done.stderr == b"dry run: nothing was changed\n"
    assert contents(bare.folder) == existing


def test_a_dry_run_leaves_no_file_beside_a_database_either(bare: Command) -> None:
    bare.run("--patients", PATIENTS)
    existing = contents(bare.folder)

    done = bare.run("--patients", "-", "--dry-run", "--rejects", "rejects.ndjson", stdin=array(patient_row("1"), 5))

    assert done.stdout == b"patients: 1 created, 0 updated, 0 deleted, 0 unchanged, 1 rejected\n"
    assert contents(bare.folder) == existing


def test_a_dry_run_writes_rejected_rows_only_where_no_file_is_created(bare: Command) -> None:
    bad = array(*[patient_row(str(number), firstName="") for number in range(101)])

    done = bare.run("--patients", "-", "--dry-run", "--rejects", "rejects.ndjson", stdin=bad)
    assert b"and 1 more; --rejects /dev/stdout prints them all" in done.stderr
    done = bare.run("--patients", "-", "--dry-run", "--rejects", "/dev/stdout", stdin=bad)
    assert done.stdout.count(b"\n") == 102
    assert list(bare.folder.iterdir()) == []


@pytest.mark.parametrize("target", ["none/rejects.ndjson", "."])
def test_a_dry_run_refuses_the_rejects_file_that_a_sync_refuses(bare: Command, target: str) -> None:
    for flags in ([], ["--dry-run"]):
        assert bare.run("--patients", PATIENTS, "--rejects", target, *flags).returncode == 2


def test_development_ini_of_the_current_folder_is_used(bare: Command) -> None:
    bare.write("development.ini", INI.format("developed.sqlite"))

    assert bare.run("--patients", PATIENTS).returncode == 0
    assert (bare.folder / "developed.sqlite").is_file()


def test_an_ini_file_that_is_named_beats_development_ini(bare: Command) -> None:
    bare.write("development.ini", INI.format("developed.sqlite"))
    bare.write("other.ini", INI.format("other.sqlite"))

    assert bare.run("-c", "other.ini", "--patients", PATIENTS).returncode == 0
    assert bare.run("--patients", PATIENTS, "--config", "other.ini").stdout.startswith(b"patients: 0 created")
    assert not (bare.folder / "developed.sqlite").exists()


def test_the_environment_beats_every_ini_file(bare: Command) -> None:
    bare.write("other.ini", INI.format("other.sqlite"))

    done = bare.run("-c", "other.ini", "--patients", PATIENTS, PAYMENTAGG_DATABASE_URL="sqlite:///environment.sqlite")

    assert done.returncode == 0
    assert [file.name for file in bare.folder.glob("*.sqlite")] == ["environment.sqlite"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no snapshot"),
        (["--input-file", PATIENTS], "--input-file needs --model-name"),
        (["--model-name", "patient"], "--model-name needs --input-file"),
        (["--input-file", PATIENTS, "--model-name", "doctor"], "invalid choice: 'doctor'"),
        (["--input-file", PATIENTS, "--model-name", "patient", "--payments", PATIENTS], "can't be used together"),
        (["--patients", "-", "--payments", "-"], "can be standard input"),
        (["--patients", PATIENTS, "--patients", PATIENTS], "--patients: given twice"),
        (["--patients", PATIENTS, "--max-delete", "half"], "must be a count such as 3000 or a percentage such as 50%"),
        (["--patients", PATIENTS, "--max-delete", "101%"], "must be a count"),
        (["--patients", PATIENTS, "-v", "4"], "invalid choice: 4"),
        (["--patients", PATIENTS, "--verbosity", "-1"], "invalid choice: -1"),
        (["--patients", PATIENTS, "--stric"], "unrecognized arguments: --stric"),
        (["--patients", PATIENTS, "-c", "none.ini"], "none.ini does not exist"),
        (["--patients", PATIENTS, "-c", "."], ". is not a file"),
        (["--patients", PATIENTS, "--rejects", "-"], "--rejects: standard output is for the summary"),
        (["--patients", PATIENTS, "--rejects", PATIENTS], "it would be overwritten"),
        (["--patients", PATIENTS, "--overwrite"], "--overwrite needs --rejects"),
        (["--patients", PATIENTS, "--rejects", "none/rejects.ndjson"], "can't be written: No such file or directory"),
    ],
)
def test_wrong_usage_is_2_and_explained(bare: Command, arguments: list[str], words: str) -> None:
    done = bare.run(*arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert "paymentagg-sync: error: " in done.stderr.decode()
    assert words in done.stderr.decode()
    assert not (bare.folder / "paymentagg.sqlite").exists()


@pytest.mark.parametrize(
    ("ini", "words"),
    [
        ("no ini at all", "wrong.ini is not a Pyramid ini file: File contains no section headers."),
        ("[server:main]\nuse = egg:waitress\n", "wrong.ini is not a Pyramid ini file: No section 'main'"),
        ("[app:main]\nuse = egg:nosuchthing\n", "wrong.ini is not a Pyramid ini file: "),
        (INI.format("x") + "paymentagg.max_delet = 5\n", "paymentagg.max_delet: "),
        (INI.format("x") + "paymentagg.max_delete = lots\n", "paymentagg.max_delete: must be a count"),
    ],
)
def test_a_wrong_ini_file_or_setting_is_usage(bare: Command, ini: str, words: str) -> None:
    bare.write("wrong.ini", ini)

    done = bare.run("-c", "wrong.ini", "--patients", PATIENTS)

    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()


def test_an_application_in_a_filter_is_reached_by_the_name_of_its_section(bare: Command) -> None:
    bare.write("factory.py", "def main(g):\n    return lambda app: lambda environ, start: app(environ, start)\n")
    filtered = "[pipeline:main]\npipeline = filter inner\n[filter:filter]\nuse = call:factory:main\n"
    bare.write("own.ini", filtered + INI.format("own.sqlite").replace("app:main", "app:inner"))

    done = bare.run("-c", "own.ini", "--patients", PATIENTS)
    assert done.returncode == 2
    assert b"its application is another one, or wrapped in a filter; name a section that uses" in done.stderr
    assert bare.run("-c", "own.ini#inner", "--patients", PATIENTS).returncode == 0


def test_a_percent_sign_in_an_ini_file_is_explained_without_showing_the_value(bare: Command) -> None:
    bare.write("wrong.ini", INI.format("x").replace("sqlite:///", "postgresql://me:s%3cret@localhost/"))

    done = bare.run("-c", "wrong.ini", "--patients", PATIENTS)

    assert done.returncode == 2
    assert b"sqlalchemy.url in [app:main] can't be read: write each % as %%" in done.stderr
    assert b"cret" not in done.stderr


@pytest.mark.parametrize("setting", ["PAYMENTAGG_DATABASE_URL", "sqlalchemy.url"])
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("paymentagg-sync -c own.ini --patients -", 2),
        ("paymentagg-keys -c own.ini list", 2),
        ("pserve own.ini", 1),
        ("alembic -c own.ini current", 1),
    ],
)
def test_a_wrong_port_is_explained_without_showing_the_url(
    bare: Command, script: str, status: int, setting: str
) -> None:
    url = "postgresql://me:s3cret@example.org:abc/db"
    ini = INI.format("x") if setting.isupper() else INI.replace("sqlite:///{}", url)
    alembic = f"[alembic]\nscript_location = paymentagg:adapters/migrations\nsqlalchemy.url = {url}\n"
    bare.write("own.ini", f"{ini}\n[server:main]\nuse = egg:paymentagg\nlisten = 127.0.0.1:0\n\n{alembic}")
    name, *arguments = script.split()
    program = Command(bare.folder, url if setting.isupper() else None, SCRIPT.with_name(name))

    done = program.run(*arguments)

    *before, last = done.stderr.decode().splitlines()
    assert done.returncode == status
    assert f"{setting}: must have a port from 1 to 65535, such as postgresql://user:password@host:5432/database" in last
    assert b"s3cret" not in done.stdout + done.stderr
    assert before == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "the database can't be used"),
        ("sqlite:////nosuchfolder/paymentagg.sqlite", "the database can't be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_6(bare: Command, url: str, words: str) -> None:
    done = bare.run("--patients", PATIENTS, PAYMENTAGG_DATABASE_URL=url)

    assert (done.returncode, done.stdout) == (6, b"")
    assert words in done.stderr.decode()
    assert done.stderr.endswith(b"; nothing was changed\n")


def test_alembic_says_in_one_line_that_the_database_cannot_be_reached(bare: Command) -> None:
    bare.write("own.ini", "[alembic]\nscript_location = paymentagg:adapters/migrations\n")
    alembic = Command(bare.folder, "postgresql://nobody@127.0.0.1:1/none", SCRIPT.with_name("alembic"))

    done = alembic.run("-c", "own.ini", "upgrade", "head")

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "alembic: error: the database can't be used: "
        "PostgreSQL can't be reached; is it running, and is the URL right?\n"
    )


def test_an_empty_file_is_filled_as_if_it_were_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    practice = Command(tmp_path, f"sqlite:///{tmp_path / 'empty.sqlite'}")

    assert practice.run("--patients", PATIENTS).returncode == 0
    assert practice.stored("patients") == 4


def test_a_database_that_is_not_migrated_is_6_and_the_error_says_what_to_run(
    tmp_path: Path, unmigrated_url: str
) -> None:
    done = Command(tmp_path, unmigrated_url).run("--patients", PATIENTS)

    assert (done.returncode, done.stdout) == (6, b"")
    assert b"alembic -c production.ini upgrade head" in done.stderr


def test_version_and_help_need_no_settings(bare: Command) -> None:
    assert bare.run("--version").stdout.decode() == f"paymentagg-sync {version('paymentagg')}\n"
    answer = bare.run("--help")
    assert (answer.returncode, answer.stderr) == (0, b"")
    for flag in (
        "-c", "--input-file", "--model-name", "--patients", "--payments", "--dry-run", "--force", "--strict",
        "--max-delete", "--taken-at", "--undo",
        "--rejects", "--overwrite", "--json", "-v", "--verbosity",
        "--no-color", "--no-progress", "--traceback", "--version", "--help",
    ):  # fmt: skip
        assert f"{flag} " in answer.stdout.decode() or f"{flag}\n" in answer.stdout.decode()


def test_help_imports_nothing_that_takes_long(bare: Command) -> None:
    done = bare.run("--help", PYTHONPROFILEIMPORTTIME="1")

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}
    assert "paymentagg.entrypoints.console.sync_options" in imported
    assert not imported & {"pyramid", "sqlalchemy", "msgspec", "tqdm", "colander", "importlib.metadata"}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def bare(tmp_path: Path) -> Command:
    """paymentagg-sync in an empty folder, without settings in the environment."""
    return Command(tmp_path, None)


@pytest.fixture
def unmigrated_url(postgres_server: object) -> str:
    """The URL of a database without tables: the maintenance database of the server."""
    assert hasattr(postgres_server, "render_as_string")
    return str(postgres_server.render_as_string(hide_password=False))
