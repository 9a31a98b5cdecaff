"""paymentagg-sync: what it shows on a terminal, and what it says on standard error while it runs."""

import os
import pty
import re
import subprocess
import termios

import pytest

from builders import array, patient_row
from command import SCRIPT, Command
from project import SAMPLES

PATIENTS = str(SAMPLES / "patients.json")


def test_a_snapshot_that_is_known_is_said_to_be_so(command: Command) -> None:
    command.run("--patients", PATIENTS)
    for flags, known in (["--json"], True), (["--force"], False), (["-v", "0"], False), ([], True):
        done = command.run("--patients", PATIENTS, *flags)
        words = "patients: the same snapshot as in sync {}; nothing to compare\n"
        assert done.stderr.decode() == (words.format(1 if flags else 4) if known else "")

    assert done.stdout == b"patients: 0 created, 0 updated, 0 deleted, 4 unchanged, 0 rejected\n"


def test_a_terminal_gets_a_bar_and_colours(sqlite: Command) -> None:
    shown = _on_a_terminal(sqlite, [])

    assert "rows" not in shown.partition("\r")[0]
    assert re.search(r"snapshot\.json: +[0-9]+%", shown)
    assert '\x1b[33msnapshot.json row 2, 2, firstName ""\x1b[0m: this field must not be blank (blank)' in shown


def test_a_terminal_shows_each_phase_and_at_the_end_only_the_outcome(sqlite: Command) -> None:
    shown = _on_a_terminal(sqlite, ["--no-color"])

    seen = [found for line in shown.split("\r") for found in re.findall(r"^(\w+)(?: \S+)?:? +(?:[0-9]+%|00:0)", line)]
    assert list(dict.fromkeys(seen)) == ["reading", "comparing", "writing", "committing"]
    last = shown.rpartition("\r\n")[0].rpartition("\r")[2]
    assert last == 'snapshot.json row 2, 2, firstName "": this field must not be blank (blank)'


def test_no_bar_mixes_with_the_lines_of_changes(sqlite: Command) -> None:
    shown = _on_a_terminal(sqlite, ["-v", "2"])

    assert "comparing" not in shown
    assert shown.count("created patient ") == 999


@pytest.mark.parametrize(
    ("arguments", "variables"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})]
)
def test_colours_can_be_switched_off(sqlite: Command, arguments: list[str], variables: dict[str, str]) -> None:
    shown = _on_a_terminal(sqlite, [*arguments, "--no-progress"], variables)

    assert shown == 'snapshot.json row 2, 2, firstName "": this field must not be blank (blank)\r\n'


@pytest.mark.parametrize("size", [(0, 0), (24, 0)])
def test_a_terminal_of_unknown_width_gets_lines(sqlite: Command, size: tuple[int, int]) -> None:
    shown = _on_a_terminal(sqlite, ["--no-color"], size=size)

    assert shown == 'snapshot.json row 2, 2, firstName "": this field must not be blank (blank)\r\n'


def test_a_silent_sync_shows_no_bar(sqlite: Command) -> None:
    assert _on_a_terminal(sqlite, ["-v", "0"]) == ""


def _on_a_terminal(
    command: Command,
    arguments: list[str],
    variables: dict[str, str] | None = None,
    size: tuple[int, int] = (24, 120),
) -> str:
    """Run paymentagg-sync with a terminal as standard error; return what the terminal receives."""
    rows = [patient_row(str(n)) for n in range(1, 1001)]
    command.write("snapshot.json", array(rows[0], patient_row("2", firstName=""), *rows[2:]))
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, size)
    with subprocess.Popen(
        [SCRIPT, "--patients", "snapshot.json", *arguments],
        cwd=command.folder, env=command.environment(**variables or {}), stdout=subprocess.DEVNULL, stderr=terminal,
    ):  # fmt: skip
        os.close(terminal)
        shown = b""
        try:
            while more := os.read(controller, 65536):
                shown += more
        except OSError:  # Linux reports EIO when the terminal is closed
            pass
        finally:
            os.close(controller)
    return shown.decode()
