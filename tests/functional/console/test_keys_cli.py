"""paymentagg-keys, run in a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from command import KEYS_SCRIPT, Command
from keyring import closed, secret_of, using

KEY = re.compile(r"(pagg_([0-9a-z]{8})_[A-Za-z0-9_-]{49})\n")


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    return Command(tmp_path, database_url, KEYS_SCRIPT)


@pytest.fixture
def bare(tmp_path: Path) -> Command:
    """The script in an empty folder, without settings in the environment."""
    return Command(tmp_path, None, KEYS_SCRIPT)


def created(command: Command, *arguments: str) -> tuple[str, str]:
    """Run ``create`` or ``rotate``; return the key and its id."""
    done = command.run(*arguments)
    match = KEY.fullmatch(done.stdout.decode())
    assert match, done
    assert done.returncode == 0
    assert match[1] not in done.stderr.decode()
    return match[1], match[2]


def listed(command: Command) -> list[dict[str, str]]:
    """Return the keys as ``list --json`` prints them."""
    done = command.run("list", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    keys: list[dict[str, str]] = json.loads(done.stdout)
    return keys


def test_a_key_is_created_used_rotated_and_revoked(command: Command, database_url: str) -> None:
    app = closed(database_url)
    old, old_id = created(command, "create", "--role", "reader", "--name", "billing", "--expires-in", "30")
    using(app, old).get("/patients", status=200)

    new, new_id = created(command, "rotate", old_id)
    for key in (old, new):
        using(app, key).get("/patients", status=200)

    done = command.run("revoke", old_id)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == f"key {old_id} (reader, billing) is revoked\n"
    using(app, old).get("/patients", status=401)
    using(app, new).get("/patients", status=200)
    assert [(key["id"], key["name"], key["role"], key["state"]) for key in listed(command)] == [
        (old_id, "billing", "reader", "revoked"),
        (new_id, "billing", "reader", "live"),
    ]


def test_rotate_says_how_long_the_old_key_lives_and_how_it_is_revoked(command: Command) -> None:
    _, key_id = created(command, "create", "--role", "syncer", "--name", "nightly")
    expires = listed(command)[0]["expires"][:19]
    done = command.run("rotate", key_id)
    assert f"key {key_id} is valid until {expires}Z" in done.stderr.decode()
    assert f"paymentagg-keys revoke {key_id}\n" in done.stderr.decode()


def test_a_third_live_key_of_a_client_is_refused_and_the_error_names_the_two(command: Command) -> None:
    _, first = created(command, "create", "--role", "syncer", "--name", "nightly")
    _, second = created(command, "rotate", first)
    for arguments in (["rotate", second], ["create", "--role", "syncer", "--name", "nightly"]):
        done = command.run(*arguments)
        assert (done.returncode, done.stdout) == (2, b"")
        assert f"2 live keys with the role syncer, {first} and {second}; revoke the unused one" in done.stderr.decode()


def test_the_list_is_a_table_that_shows_no_secret_and_nothing_a_terminal_would_obey(command: Command) -> None:
    key, key_id = created(command, "create", "--role", "admin", "--name", "caf\u00e9 \u202egnp")
    done = command.run("list")
    lines = done.stdout.decode().splitlines()
    assert lines[0].split() == ["id", "role", "state", "expires", "last_used", "name"]
    assert lines[1].split()[:3] == [key_id, "admin", "live"]
    assert lines[1].endswith("  café \\u202egnp")
    shown = done.stdout.decode() + json.dumps(listed(command))
    assert secret_of(key) not in shown
    assert "digest" not in shown


def test_the_database_has_the_digest_and_not_the_secret(command: Command, database_url: str) -> None:
    key, _ = created(command, "create", "--role", "admin", "--name", "a")
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        stored = repr(connection.execute(sa.text("SELECT * FROM api_keys")).all())
    assert secret_of(key) not in stored


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: {create,list,revoke,rotate}"),
        (["delete"], "invalid choice: 'delete'"),
        (["create", "--name", "a"], "the following arguments are required: --role"),
        (["create", "--role", "reader"], "the following arguments are required: --name"),
        (["create", "--role", "owner", "--name", "a"], "invalid choice: 'owner'"),
        (["create", "--role", "reader", "--name", "a", "--expires-in", "soon"], "invalid int value: 'soon'"),
        (["-c", "none.ini", "list"], "none.ini does not exist"),
        (["list", "-c", "none.ini"], "none.ini does not exist"),
        (["revoke"], "the following arguments are required: ID"),
    ],
)
def test_wrong_usage_is_2_and_explained(bare: Command, arguments: list[str], words: str) -> None:
    done = bare.run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()
    assert not (bare.folder / "paymentagg.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["create", "--role", "reader", "--name", "a", "--expires-in", "366"], "expires-in: must be 1 to 365 days"),
        (["create", "--role", "reader", "--name", os.fsdecode(b"\xff")], "name: must be 1 to 100 characters without"),
        (["create", "--role", "reader", "--name", " "], "name: must be 1 to 100 characters without control characters"),
        (["revoke", "abcd1234"], "key: there is no abcd1234; paymentagg-keys list shows all"),
        (["rotate", "abcd1234"], "key: there is no abcd1234; paymentagg-keys list shows all"),
    ],
)
def test_a_refused_command_prints_one_line(bare: Command, arguments: list[str], line: str) -> None:
    done = bare.run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"paymentagg-keys: error: {line}")
    assert done.stderr.count(b"\n") == 1
    assert listed(bare) == []


def test_revoking_twice_is_fine_and_a_revoked_key_is_not_rotated(bare: Command) -> None:
    _, key_id = created(bare, "create", "--role", "reader", "--name", "a")
    bare.run("revoke", key_id)
    revoked = listed(bare)
    again = bare.run("revoke", key_id)
    assert again.returncode == 0
    assert b"has already been revoked" in again.stderr
    assert listed(bare) == revoked
    rotated = bare.run("rotate", key_id)
    assert (rotated.returncode, rotated.stdout) == (2, b"")
    assert f"key: {key_id} is revoked; create a new one" in rotated.stderr.decode()


@pytest.mark.parametrize("before", [True, False])
def test_the_ini_file_may_be_named_before_or_after_the_command(bare: Command, before: bool) -> None:
    bare.write("other.ini", "[app:main]\nuse = egg:paymentagg\nsqlalchemy.url = sqlite:///other.sqlite\n")
    config, command = ["-c", "other.ini"], ["list"]
    assert bare.run(*(config + command if before else command + config)).returncode == 0
    assert [file.name for file in bare.folder.glob("*.sqlite")] == ["other.sqlite"]


def test_a_key_that_could_not_be_printed_is_named_so_that_it_can_be_revoked(bare: Command) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [KEYS_SCRIPT, "create", "--role", "reader", "--name", "a"],
        cwd=bare.folder,
        env=bare.environment(),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert done.returncode == 1
    assert f"it is lost; run: paymentagg-keys revoke {listed(bare)[0]['id']}\n" in done.stderr.decode()


def test_a_database_that_cannot_be_used_is_6(bare: Command) -> None:
    done = bare.run("list", PAYMENTAGG_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.decode().startswith("paymentagg-keys: error: the database can't be used")
    assert done.stderr.count(b"\n") == 1


def test_keys_are_listed_while_a_sync_runs_but_cannot_be_changed_then_on_sqlite(
    command: Command, database_url: str
) -> None:
    sync = Command(command.folder, database_url)
    with sync.reading("--patients", "-") as running:
        assert listed(command) == []
        done = command.run("create", "--role", "reader", "--name", "a")
        if "sqlite" in database_url:
            assert (done.returncode, done.stdout) == (5, b"")
            assert done.stderr == b"paymentagg-keys: error: another sync is running; try again when it is done\n"
        else:
            assert done.returncode == 0
        running.communicate(b"[]")
        assert running.returncode == 0
    created(command, "create", "--role", "reader", "--name", "b")


def test_an_interruption_is_reported_in_one_line(bare: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # stands in for a PostgreSQL server that never answers
        silent.settimeout(60)
        environment = bare.environment(
            PAYMENTAGG_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        )
        process = subprocess.Popen(
            [KEYS_SCRIPT, "create", "--role", "reader", "--name", "a"],
            cwd=bare.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Shells let background jobs ignore SIGINT, and children inherit that; these tests may be such a job.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        waiting, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        waiting.close()
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"")
    assert errors == b"paymentagg-keys: error: interrupted; paymentagg-keys list shows what has been done\n"


def test_version_and_help_need_no_settings(bare: Command) -> None:
    assert bare.run("--version").stdout.startswith(b"paymentagg-keys ")
    for command in ([], ["create"], ["list"], ["revoke"], ["rotate"]):
        done = bare.run(*command, "--help")
        assert (done.returncode, done.stderr) == (0, b"")
    assert list(bare.folder.iterdir()) == []
