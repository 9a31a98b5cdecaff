"""paymentagg-diff, run in a process of its own: it reports what a sync of the second file after the first reports."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from builders import array, gzipped, ndjson, patient_row, payment_row
from command import SCRIPT, Command

OLD = {
    "patient": array(patient_row("5"), patient_row("8"), patient_row("9", firstName=" ")),
    "payment": array(payment_row("501"), payment_row("502", "8"), payment_row("503", "15", "7.10")),
}
NEW = {
    "patient": ndjson(patient_row("8", lastName="Batty"), patient_row("15")),
    "payment": gzipped(
        array(
            payment_row("501", "8"), payment_row("503", "15", "7.1"), payment_row("504", "99"), payment_row("505", "")
        )
    ),
}


@pytest.fixture
def diff(tmp_path: Path) -> Command:
    """The script, in a folder with two files of each model, and no database."""
    command = Command(tmp_path, None, SCRIPT.with_name("paymentagg-diff"))
    for model in OLD:
        command.write(f"old-{model}", OLD[model])
        command.write(f"new-{model}", NEW[model])
    return command


@pytest.mark.parametrize("model", ["patient", "payment"])
def test_the_report_is_that_of_a_sync_after_a_sync(
    diff: Command, model: str, database_url: str, tmp_path: Path
) -> None:
    sync = Command(tmp_path, database_url)
    if model == "payment":  # a sync needs the patients
        people = [patient_row(external_id) for external_id in ("5", "8", "15", "99")]
        sync.run("--patients", sync.write("people", array(*people)))
    sync.run("--model-name", model, "--input-file", f"old-{model}")
    synced = sync.run("--model-name", model, "--input-file", f"new-{model}", "--max-delete", "100%", "--json")

    done = diff.run(f"old-{model}", f"new-{model}", "--model-name", model, "--json")

    assert shown(done.stdout) == shown(synced.stdout)
    assert done.returncode == 3


def test_changes_are_printed_on_request_and_nothing_is_left_behind(diff: Command) -> None:
    before = sorted(diff.folder.iterdir())

    done = diff.run("old-payment", "new-payment", "--model-name", "payment", "-v")

    assert done.stdout == b"payments: 1 created, 1 updated, 1 deleted, 1 unchanged, 1 rejected\n"
    errors = done.stderr.decode()
    for external_id in ("501", "502", "504"):
        assert f"payment {external_id}" in errors
    assert "new-payment row 4, 505, patientId" in errors
    assert "dry run" not in errors
    assert sorted(diff.folder.iterdir()) == before


def test_equal_files_have_no_differences(diff: Command) -> None:
    done = diff.run("new-patient", "-", "--model-name", "patient", stdin=NEW["patient"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"patients: 0 created, 0 updated, 0 deleted, 2 unchanged, 0 rejected\n"


def test_rejected_rows_of_the_old_file_are_named_too(diff: Command) -> None:
    done = diff.run("old-patient", "new-patient", "--model-name", "patient")
    assert done.returncode == 3
    assert "old-patient row 3, 9, firstName" in done.stderr.decode()


def test_large_files_are_compared_in_bounded_memory(diff: Command) -> None:
    # The peak of a child counts what its parent had in memory, so this process, which has more, is no parent of it.
    measured = "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); " + (
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); sys.exit(status)"
    )
    peaks = []
    for count in (10, 100_000):
        rows = [payment_row(f"{number}", f"{number % 1000}") for number in range(count)]
        diff.write("old", array(*rows))
        diff.write("new", array(*(row | {"amount": 7.1} for row in reversed(rows))))
        script = Command(diff.folder, None, Path(sys.executable))
        done = script.run("-c", measured, str(diff.script), "old", "new", "--model-name", "payment")
        summary, peak = done.stdout.decode().splitlines()
        assert (done.returncode, f" {count} updated, " in summary) == (0, True)
        peaks.append(int(peak))
    assert peaks[1] - peaks[0] <= 20_000_000


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none", "new-payment", "--model-name", "payment"], 7, "none: the snapshot can't be read"),
        (["old-payment", "broken", "--model-name", "payment"], 7, "broken: the snapshot can't be read"),
        (["old-payment", "new-payment"], 2, "--model-name"),
        (["old-payment", "--model-name", "payment"], 2, "NEW"),
        (["-", "-", "--model-name", "payment"], 2, "only one of OLD and NEW"),
    ],
)
def test_what_can_not_be_done_has_a_status_of_its_own(
    diff: Command, arguments: list[str], status: int, message: str
) -> None:
    diff.write("broken", OLD["payment"][:-9])
    done = diff.run(*arguments)
    assert (done.returncode, message in done.stderr.decode()) == (status, True), done


def shown(output: bytes) -> dict[str, Any]:
    """Return a report without its id and times."""
    report: dict[str, Any] = json.loads(output)
    return {name: value for name, value in report.items() if name not in ("id", "dryRun", "startedAt", "finishedAt")}
