"""paymentagg-sync: signals, unexpected errors, broken streams."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from builders import array, ndjson, patient_row
from command import SCRIPT, Command, finish
from project import SAMPLES

PATIENTS = str(SAMPLES / "patients.json")
MANY = ndjson(*[patient_row(str(n)) for n in range(20_000)])  # more than the buffer of a pipe holds

FACTORY = """
import os, signal
from sqlalchemy import Engine, event
from paymentagg import app
from paymentagg.domain.errors import StorageUnavailable

def main(global_config, **settings):
    wsgi_app = app.main(global_config, **settings)
    event.listen(Engine, "commit", at_commit)
    return wsgi_app

def at_commit(connection):
    {}
"""
SECOND_SIGNAL = """
import atexit, os, signal
from sqlalchemy import Engine, event
from paymentagg.app import main

def again(*_):
    os.kill(os.getpid(), signal.{})

{}
"""
DONE = "the sync is done and committed, only its report is lost"
INI = "[app:main]\nuse = call:factory:main\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sync_that_is_interrupted_is_undone_and_says_so(
    command: Command, number: signal.Signals, status: int
) -> None:
    command.run("--patients", PATIENTS)

    with command.reading("--patients", "-", "--max-delete", "100%") as process:
        assert process.stdin is not None
        process.stdin.write(MANY)
        process.stdin.flush()  # the script has read most of it: the buffer of a pipe is small
        returncode, out, err = finish(process, number)

    assert (returncode, out) == (status, b"")
    assert err.decode().splitlines()[-1] == (
        f"paymentagg-sync: error: interrupted by {number.name}; nothing was changed"
    )
    assert command.stored("patients") == 4
    assert command.run("--patients", PATIENTS).stdout.startswith(b"patients: 0 created, 0 updated, 0 deleted, 4 unch")


@pytest.mark.parametrize(
    "moment", ['event.listen(Engine, "rollback", again)', "atexit.register(again)"], ids=["rolling back", "exiting"]
)
@pytest.mark.parametrize(
    ("first", "then", "status"), [(signal.SIGINT, signal.SIGTERM, 130), (signal.SIGTERM, signal.SIGINT, 143)]
)
def test_the_first_of_two_signals_decides(
    command: Command, first: signal.Signals, then: signal.Signals, status: int, moment: str
) -> None:
    command.write("factory.py", SECOND_SIGNAL.format(then.name, moment))
    command.write("own.ini", INI)

    with command.reading("-c", "own.ini", "--patients", "-") as process:
        returncode, _, err = finish(process, first)

    assert (returncode, err.decode().splitlines()[-1]) == (
        status, f"paymentagg-sync: error: interrupted by {first.name}; nothing was changed",
    )  # fmt: skip


def test_a_sync_that_waits_for_its_first_byte_can_be_interrupted(command: Command) -> None:
    with command.reading("--payments", "-") as process:
        returncode, _, err = finish(process, signal.SIGINT)

    assert returncode == 130
    assert b"nothing was changed" in err


def test_a_pipe_that_nobody_fills_can_be_interrupted(sqlite: Command) -> None:
    os.mkfifo(sqlite.folder / "pipe")
    process = subprocess.Popen(
        [SCRIPT, "--patients", "pipe", "-v", "3"], cwd=sqlite.folder, env=sqlite.environment(), stderr=subprocess.PIPE
    )
    with process:
        assert process.stderr is not None
        while process.stderr.readline() != "reading pipe …\n".encode():
            assert process.poll() is None
        process.terminate()
        assert b"interrupted by SIGTERM; nothing was changed" in process.stderr.read()
    assert process.returncode == 143


def test_two_pipes_may_be_filled_one_after_the_other(sqlite: Command) -> None:
    for name in ("patients", "payments"):
        os.mkfifo(sqlite.folder / name)
    process = subprocess.Popen(
        [SCRIPT, "--patients", "patients", "--payments", "payments"],
        cwd=sqlite.folder, env=sqlite.environment(), stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        (sqlite.folder / "patients").write_bytes(array(patient_row()))
        (sqlite.folder / "payments").write_bytes(b"[]")
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"patients: 1 created")
    assert process.returncode == 0


def test_a_signal_that_comes_while_committing_does_not_end_the_sync(command: Command) -> None:
    command.write("factory.py", FACTORY.format("os.kill(os.getpid(), signal.SIGTERM)"))
    command.write("own.ini", INI)

    done = command.run("-c", "own.ini", "--patients", PATIENTS)

    assert done.returncode == 0
    assert done.stdout.startswith(b"patients: 4 created")
    assert done.stderr == b"SIGTERM came too late: the sync is done\n"
    assert command.stored("patients") == 4


def test_a_database_that_is_lost_while_committing_leaves_the_outcome_unknown(command: Command) -> None:
    command.write("factory.py", FACTORY.format("raise StorageUnavailable('it is gone')"))
    command.write("own.ini", INI)

    done = command.run("-c", "own.ini", "--patients", PATIENTS)

    assert (done.returncode, done.stdout) == (6, b"")
    assert b"it is gone; this happened during the commit, so the sync is done completely or not at all" in done.stderr


def test_an_unexpected_error_shows_neither_its_message_nor_a_traceback(sqlite: Command) -> None:
    sqlite.write("factory.py", "def main(g, **settings):\n    raise ZeroDivisionError('Rick Deckard')\n")
    sqlite.write("own.ini", INI)

    done = sqlite.run("-c", "own.ini", "--patients", PATIENTS)

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "paymentagg-sync: error: unexpected error: ZeroDivisionError; --traceback shows where it was raised; "
        "nothing was changed\n"
    )


def test_traceback_shows_where_an_unexpected_error_came_from_but_not_its_message(sqlite: Command) -> None:
    sqlite.write("factory.py", "def main(g, **settings):\n    raise ZeroDivisionError('Rick Deckard')\n")
    sqlite.write("own.ini", INI)

    done = sqlite.run("-c", "own.ini", "--patients", PATIENTS, "--traceback")

    lines = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert lines[0] == "paymentagg-sync: error: unexpected error: ZeroDivisionError; nothing was changed"
    assert f'  File "{sqlite.folder / "factory.py"}", line 2, in main' in lines
    assert lines[-1] == "ZeroDivisionError"
    assert b"Deckard" not in done.stderr


@pytest.mark.parametrize("arguments", [["--patients", PATIENTS], ["--patients", PATIENTS, "--json"], ["--help"]])
def test_a_reader_of_standard_output_may_leave(sqlite: Command, arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [SCRIPT, *arguments],
        cwd=sqlite.folder, env=sqlite.environment(), stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_outcome_that_cannot_be_printed_is_said_and_the_sync_is_done(sqlite: Command) -> None:
    for flags, end in ([], DONE), (["--json"], DONE), (["--dry-run"], "nothing was changed"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [SCRIPT, "--patients", PATIENTS, *flags],
                cwd=sqlite.folder, env=sqlite.environment(), stdout=full, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip

        assert done.returncode == 1
        assert done.stderr.decode().splitlines()[-1] == (
            f"paymentagg-sync: error: the outcome can't be written to standard output: No space left on device; {end}"
        )
        assert sqlite.stored("patients") == 4


def test_rejected_rows_that_cannot_be_written_undo_the_sync(sqlite: Command) -> None:
    done = sqlite.run("--patients", "-", "--rejects", "/dev/full", stdin=array(patient_row("1"), 5))

    assert done.returncode == 1
    assert b"/dev/full: the rejected rows can't be written: No space left on device; nothing was changed" in done.stderr
    assert sqlite.stored("patients") == 0


@pytest.mark.parametrize("closed", ["0", "1", "2"])
def test_closed_standard_streams_do_no_harm(sqlite: Command, closed: str) -> None:
    shell = f'exec "$0" "$@" {closed}>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, SCRIPT, "--patients", "-"],
        cwd=sqlite.folder, env=sqlite.environment(), input=array(patient_row("1"), 5), capture_output=True, check=False,
    )  # fmt: skip

    assert done.returncode == (7 if closed == "0" else 3)
    assert done.stdout.startswith(b"patients: 1 created" if closed == "2" else b"")
