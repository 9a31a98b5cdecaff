"""paymentagg-verify, run in a process of its own."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from auditlog import events
from builders import array, gzipped, ndjson, patient_row, payment_row
from command import SCRIPT, Command
from postgres import connect

PATIENTS = [patient_row("5"), patient_row("8", firstName="Roy")]
PAYMENTS = [payment_row("501"), payment_row("502", "8", "7.10")]
INI = """
[app:main]
use = egg:paymentagg
paymentagg.audit_file = %(here)s/audit.jsonl
"""


@pytest.fixture
def verify(tmp_path: Path, database_url: str) -> Command:
    """The script, in a folder with two files that the database was synced with."""
    sync = Command(tmp_path, database_url)
    sync.write("patients.json", array(*PATIENTS))
    sync.write("payments.json", array(*PAYMENTS))
    assert sync.run("--patients", "patients.json", "--payments", "payments.json").returncode == 0
    return Command(tmp_path, database_url, SCRIPT.with_name("paymentagg-verify"))


def test_a_good_database_holds(verify: Command) -> None:
    done = verify.run()

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"2 patients, 2 payments, 1 syncs: all checks hold\n"


def test_damage_is_listed_and_the_rest_counted(verify: Command) -> None:
    execute(verify, "UPDATE payment_totals SET total_cents = total_cents + 1")

    done = verify.run("--patients", "patients.json")

    assert done.returncode == 1
    assert sorted(done.stdout.decode().splitlines()) == [
        "the database is damaged: 2 findings",
        "total: patient 5 has a payment total that isn't the sum of the payments",
        "total: patient 8 has a payment total that isn't the sum of the payments",
    ]
    assert b"weren't compared" in done.stderr


def test_one_finding_is_called_one(verify: Command) -> None:
    execute(verify, "UPDATE payment_totals SET total_cents = 1 WHERE patient_id = 1")
    assert verify.run().stdout.decode().splitlines()[-1] == "the database is damaged: 1 finding"


def test_at_most_100_findings_of_a_kind_are_printed(verify: Command) -> None:
    many = array(*(patient_row(str(number)) for number in range(150)))
    verify.write("many.json", many)
    assert Command(verify.folder, verify.url).run("--patients", "many.json").returncode == 0
    execute(verify, "DELETE FROM payment_totals")

    lines = verify.run().stdout.decode().splitlines()

    assert len([line for line in lines if line.startswith("missing-total: patient ")]) == 100
    assert lines[-2:] == ["missing-total: … and 50 more", "the database is damaged: 150 findings"]


@pytest.mark.parametrize("form", [array, ndjson, lambda *rows: gzipped(array(*rows))])
def test_the_files_of_the_last_sync_equal_the_database(verify: Command, form: object) -> None:
    assert callable(form)
    verify.write("patients.json", form(*reversed(PATIENTS)))
    verify.write("payments.json", form(*reversed(PAYMENTS)))

    done = verify.run("--patients", "patients.json", "--payments", "payments.json")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines()[-1] == "the database equals patients.json and payments.json"


def test_each_kind_of_difference_is_listed(verify: Command) -> None:
    verify.write("patients.json", array(patient_row("5", lastName="Batty", middleName="Q"), patient_row("9")))
    verify.write("payments.json", array(payment_row("501", "5", "4.47"), payment_row("503"), payment_row("504", "77")))

    done = verify.run("--patients", "patients.json", "--payments", "payments.json")

    assert done.returncode == 3
    assert sorted(done.stdout.decode().splitlines()[1:]) == [
        "different: patient 5: lastName, middleName",
        "different: payment 501: amount",
        "missing: patient 9 isn't stored",
        "missing: payment 503 isn't stored",
        "rejected: payment row 3, 504, patientId: no such patient is stored: "
        "sync the patients first, or correct this id (unknown-patient)",
        "surplus: patient 8 isn't in the file",
        "surplus: payment 502 isn't in the file",
        "the database differs from patients.json and payments.json: 7 differences",
    ]


def test_nothing_is_changed_and_no_lock_taken(verify: Command) -> None:
    verify.write("other.json", array(patient_row("9")))
    sync = Command(verify.folder, verify.url)
    with sync.reading("--payments", "-", "--force"):  # holds the lock, and waits for its standard input
        done = verify.run("--patients", "other.json", "--payments", "-", stdin=array(*PAYMENTS))
    assert done.returncode == 3
    assert verify.run("--patients", "patients.json", "--payments", "payments.json").returncode == 0
    assert verify.stored("syncs") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--patients", "none.json"], 7, "none.json: the snapshot can't be read"),
        (["--payments", "broken.json"], 7, "broken.json: the snapshot can't be read"),
        (["--patients", "-", "--payments", "-"], 2, "only one of --patients and --payments"),
        (["-c", "none.ini"], 2, "none.ini does not exist"),
        (["payments.json"], 2, "unrecognized arguments"),
    ],
)
def test_what_can_not_be_done_has_a_status_of_its_own(
    verify: Command, arguments: list[str], status: int, message: str
) -> None:
    verify.write("broken.json", array(*PAYMENTS)[:-9])
    done = verify.run(*arguments)
    assert (done.returncode, message in done.stderr.decode()) == (status, True), done


def test_a_database_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    verify = Command(tmp_path, f"sqlite:///{tmp_path / 'none.sqlite'}", SCRIPT.with_name("paymentagg-verify"))
    done = verify.run()
    assert (done.returncode, b"doesn't exist" in done.stderr) == (6, True)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_noted_in_the_audit_log(verify: Command) -> None:
    verify.write("own.ini", INI)
    assert verify.run("-c", "own.ini", "--payments", "payments.json").returncode == 0
    begun, ended = events(verify.folder / "audit.jsonl")
    assert (begun["kind"], begun["outcome"], begun["route"]) == ("verify", "begun", "paymentagg-verify")
    assert (ended["outcome"], ended["status"], ended["parameters"]) == ("ok", 0, ["payments"])


def execute(command: Command, statement: str) -> None:
    assert command.url is not None
    with connect(command.url.replace("postgresql://", "postgresql+psycopg2://")) as connection:
        connection.execute(sa.text(statement))
