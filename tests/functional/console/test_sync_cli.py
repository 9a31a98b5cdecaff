"""paymentagg-sync: a test for each sentence of the contract on its forms, options, output and exit status."""

import json
import subprocess

import pytest

from builders import array, gzipped, ndjson, patient_row, payment_row
from command import SCRIPT, Command
from paymentagg.entrypoints.console.sync_cli import main
from project import SAMPLES

PATIENTS = str(SAMPLES / "patients.json")
PAYMENTS = str(SAMPLES / "payments_with_errors.json")
CREATED_4 = b"patients: 4 created, 0 updated, 0 deleted, 0 unchanged, 0 rejected\n"


def test_the_classic_form_loads_one_model(command: Command) -> None:
    done = command.run("--input-file", PATIENTS, "--model-name", "patient")

    assert (done.returncode, done.stdout, done.stderr) == (0, CREATED_4, b"")
    assert command.stored("patients") == 4


def test_the_second_form_syncs_both_models_patients_first(command: Command) -> None:
    done = command.run("--payments", PAYMENTS, "--patients", PATIENTS)

    assert done.returncode == 3, "two payments are of a patient that is not there"
    assert done.stdout == CREATED_4 + b"payments: 4 created, 0 updated, 0 deleted, 0 unchanged, 2 rejected\n"


def test_rejected_rows_are_listed_on_standard_error(sqlite: Command) -> None:
    sqlite.write("patients.json", array(patient_row("5"), patient_row("6", firstName=" ")))

    done = sqlite.run("--patients", "patients.json")

    assert done.returncode == 3
    assert done.stderr.decode() == "patients.json row 2, 6, firstName: this field must not be blank (blank)\n"


def test_a_report_lists_100_rejected_rows_and_counts_the_rest(sqlite: Command) -> None:
    done = sqlite.run("--patients", "-", stdin=array(*[patient_row(str(n), firstName="") for n in range(30_000)]))

    lines = done.stderr.decode().splitlines()
    assert lines[99].startswith("standard input row 100, 99, firstName: ")
    assert lines[100] == "… and 29,900 more; --rejects FILE writes them all"
    assert lines[101].startswith("patients: nothing was deleted: more than half of the rows were rejected")
    assert len(lines) == 102


@pytest.mark.parametrize(
    "convert", [array, ndjson, lambda *rows: gzipped(array(*rows)), lambda *r: gzipped(ndjson(*r))]
)
def test_the_form_of_a_snapshot_is_recognised_by_content(sqlite: Command, convert: object) -> None:
    assert callable(convert)
    done = sqlite.run("--input-file", "-", "--model-name", "patient", stdin=convert(patient_row("1"), patient_row("2")))

    assert (done.returncode, done.stdout[:19]) == (0, b"patients: 2 created")


def test_a_redirected_file_is_read_from_its_current_position(sqlite: Command) -> None:
    (sqlite.folder / "both").write_bytes(b"skipped" + array(patient_row("5")))
    with (sqlite.folder / "both").open("rb", buffering=0) as file:
        file.seek(len(b"skipped"))
        done = subprocess.run(
            [SCRIPT, "--patients", "-"], cwd=sqlite.folder, env=sqlite.environment(), stdin=file, capture_output=True
        )
    assert (done.returncode, done.stdout[:19]) == (0, b"patients: 1 created")


def test_a_dry_run_reports_the_same_and_changes_nothing(command: Command) -> None:
    done = command.run("--patients", PATIENTS, "--dry-run")

    assert (done.returncode, done.stdout) == (0, CREATED_4)
    assert done.stderr == b"dry run: nothing was changed\n"
    assert command.stored("patients") == 0


def test_a_strict_sync_is_refused_for_a_rejected_row(command: Command) -> None:
    done = command.run("--patients", PATIENTS, "--payments", PAYMENTS, "--strict", "--rejects", "rejects.ndjson")

    assert (done.returncode, done.stdout) == (9, b"")
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("paymentagg-sync: error: 2 rows were rejected")
    assert lines[2].endswith("nothing was changed")
    assert len((command.folder / "rejects.ndjson").read_text().splitlines()) == 2
    assert command.stored("patients") == 0


def test_a_refused_strict_sync_prints_its_report_as_json(sqlite: Command) -> None:
    done = sqlite.run("--patients", PATIENTS, "--payments", PAYMENTS, "--strict", "--json")

    assert done.returncode == 9
    assert json.loads(done.stdout)["id"] is None
    assert json.loads(done.stdout)["refused"] is True
    assert len(json.loads(done.stdout)["errors"]) == 2


def test_json_prints_the_report_and_nothing_else_on_standard_output(command: Command) -> None:
    done = command.run("--patients", PATIENTS, "--payments", PAYMENTS, "--json")

    report = json.loads(done.stdout)
    assert done.stdout.count(b"\n") == 1
    assert done.returncode == 3
    assert list(report) == [
        "id", "dryRun", "startedAt", "finishedAt", "patients", "payments", "errors", "errorsOmitted",
    ]  # fmt: skip
    assert report["patients"] == {
        "rows": 4, "created": 4, "updated": 0, "unchanged": 0, "rejected": 0, "deleted": 0, "deletionsSuspended": None,
    }  # fmt: skip
    assert report["startedAt"].endswith("Z")
    assert [error["code"] for error in report["errors"]] == ["unknown-patient"] * 2


@pytest.mark.parametrize("flags", [["-v", "0"], ["-v0"], ["--verbosity", "0"], ["--verbosity=0"]])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_verbosity_0_prints_only_errors(sqlite: Command, flags: list[str], more: list[str]) -> None:
    done = sqlite.run("--patients", PATIENTS, "--payments", PAYMENTS, *flags, *more)
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")

    failed = sqlite.run("--patients", "none.json", *flags, *more)
    assert (failed.returncode, failed.stdout) == (7, b"")
    assert failed.stderr.startswith(b"paymentagg-sync: error: none.json: ")


def test_verbosity_2_prints_every_change_with_the_fields_before_and_after(command: Command) -> None:
    command.shows_patients = True
    command.run("--patients", "-", stdin=array(patient_row("1"), patient_row("2"), patient_row("3")))
    command.run("--payments", "-", stdin=array(*(payment_row(number, "1", "12.5") for number in "1234")))

    changed = array(patient_row("1"), patient_row("2", lastName="Batty\u202e", dateOfBirth=None), patient_row("4"))
    done = command.run("--patients", "-", "-v", "2", stdin=changed)
    assert sorted(done.stderr.decode().splitlines()) == [
        "created patient 4: firstName Rick, lastName Deckard, dateOfBirth 2094-02-01",
        "deleted patient 3: firstName Rick, lastName Deckard, dateOfBirth 2094-02-01",
        "updated patient 2: lastName Deckard -> Batty\\u202e, dateOfBirth 2094-02-01 -> (none)",
    ]
    assert done.stdout == b"patients: 1 created, 1 updated, 1 deleted, 1 unchanged, 0 rejected\n"

    changed = array(payment_row("1", "1", "15.2"), payment_row("2", "2", "12.5"), payment_row("3", "2", 0))
    done = command.run("--payments", "-", "-v", "2", stdin=changed)
    assert sorted(done.stderr.decode().splitlines()) == [
        "deleted payment 4: amount 12.50, patientId 1",
        "updated payment 1: amount 12.50 -> 15.20",
        "updated payment 2: patientId 1 -> 2",
        "updated payment 3: amount 12.50 -> 0.00, patientId 1 -> 2",
    ]


def test_verbosity_3_prints_how_long_each_step_took(sqlite: Command) -> None:
    sqlite.shows_patients = True
    done = sqlite.run("--patients", PATIENTS, "-v", "3")

    took = [line.rpartition(":")[0] for line in done.stderr.decode().splitlines() if line.endswith(" s")]
    assert took == [
        "starting", "waiting for the lock", f"reading {PATIENTS}", "comparing patients", "writing patients",
        "committing",
    ]  # fmt: skip


def test_payments_that_go_with_their_patients_get_a_line(sqlite: Command) -> None:
    sqlite.run("--patients", "-", stdin=array(patient_row("5"), patient_row("6")))
    sqlite.run("--payments", "-", stdin=array(payment_row("501", "5")))

    done = sqlite.run("--patients", "-", stdin=array(patient_row("6")))

    assert done.stdout.decode().splitlines() == [
        "patients: 0 created, 0 updated, 1 deleted, 1 unchanged, 0 rejected",
        "payments: 0 created, 0 updated, 1 deleted, 0 unchanged, 0 rejected",
    ]


def test_the_guard_refuses_with_4_and_changes_nothing(command: Command) -> None:
    command.run("--patients", PATIENTS)

    done = command.run("--patients", "-", "--max-delete", "3", stdin=b"[]")

    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr.decode() == (
        "paymentagg-sync: error: 4 of 4 patients would be deleted, and at most 3 patients may be; "
        "if that is right: --max-delete 4; nothing was changed\n"
    )
    assert command.stored("patients") == 4
    assert command.run("--patients", "-", "--max-delete", "4", stdin=b"[]").returncode == 0


@pytest.mark.parametrize(("limit", "status"), [("4", 0), ("100%", 0), ("0", 4), ("0%", 4), ("99.9%", 4)])
def test_a_limit_of_its_own_is_taken_as_it_is(sqlite: Command, limit: str, status: int) -> None:
    sqlite.run("--patients", PATIENTS)

    assert sqlite.run("--patients", "-", "--max-delete", limit, stdin=b"[]").returncode == status


def test_without_a_limit_the_settings_count(sqlite: Command) -> None:
    sqlite.run("--patients", PATIENTS)

    assert sqlite.run("--patients", "-", stdin=b"[]", PAYMENTAGG_MAX_DELETE_FLOOR="3").returncode == 4
    assert sqlite.run("--patients", "-", stdin=b"[]").returncode == 0, "up to 100 rows are always allowed"


def test_another_sync_that_runs_is_5(command: Command) -> None:
    with command.reading("--patients", "-"):
        done = command.run("--patients", PATIENTS)

    assert (done.returncode, done.stdout) == (5, b"")
    assert b"another sync is running" in done.stderr


@pytest.mark.parametrize(
    "snapshot",
    [
        b"",
        b"null",
        b"42",
        b'{"error": "502"}',
        b'[{"externalId": "1"}',
        gzipped(b"[]")[:-3],
        b"\xff\xfe[\x00]\x00",
    ],
)
def test_a_snapshot_that_cannot_be_read_whole_is_7_and_named(sqlite: Command, snapshot: bytes) -> None:
    sqlite.run("--patients", PATIENTS)
    sqlite.write("broken", snapshot)

    done = sqlite.run("--patients", "broken")

    assert (done.returncode, done.stdout) == (7, b"")
    assert done.stderr.startswith(b"paymentagg-sync: error: broken: the snapshot can't be read")
    assert done.stderr.endswith(b"; nothing was changed\n")
    assert sqlite.stored("patients") == 4


def test_a_broken_second_snapshot_undoes_the_first(command: Command) -> None:
    done = command.run("--patients", PATIENTS, "--payments", "-", stdin=b"[{")

    assert done.returncode == 7
    assert done.stderr.startswith(b"paymentagg-sync: error: standard input: the snapshot can't be read")
    assert command.stored("patients") == 0


@pytest.mark.parametrize(("name", "why"), [("none.json", "No such file or directory"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_7(sqlite: Command, name: str, why: str) -> None:
    done = sqlite.run("--patients", name)

    assert done.returncode == 7
    assert done.stderr.decode() == (
        f"paymentagg-sync: error: {name}: the snapshot can't be read: {why}; nothing was changed\n"
    )


def test_a_snapshot_that_is_too_large_is_7_and_named(sqlite: Command) -> None:
    done = sqlite.run("--patients", PATIENTS, PAYMENTAGG_MAX_UPLOAD_BYTES="100")

    assert done.returncode == 7
    assert f"error: {PATIENTS}: the snapshot is larger than 100 bytes" in done.stderr.decode()


def test_main_returns_the_exit_status(
    sqlite: Command, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(sqlite.folder)
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", sqlite.url or "")

    assert main(["--patients", PATIENTS]) == 0
    assert capfdbinary.readouterr() == (CREATED_4, b"")
    assert main(["--payments", PAYMENTS, "--no-progress"]) == 3
    assert main(["--patients", "none.json"]) == 7
    assert main([]) == 2
