"""paymentagg-sync --rejects: what it writes, which files it replaces, and which it never writes."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from builders import array, ndjson, patient_row, payment_row
from command import SCRIPT, Command
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints.console.rejects_file import check_target
from project import SAMPLES

INI = "[app:main]\nuse = egg:paymentagg\nsqlalchemy.url = sqlite:///%(here)s/{}\n"
ONE_BAD_ROW = array(patient_row("1"), 5)
EARLIER = '{"model":"patient","row":2,"externalId":"1","field":null,"code":"blank","message":"of an earlier run"}\n'
USAGE, REJECTED = 2, 3

TARGETS = [
    ("paymentagg.sqlite", "is a file of the database"),
    ("development.ini", "is the settings file"),
    ("patients.json", "is a snapshot"),
    ("other.sqlite", "is an SQLite database"),
    ("audit.jsonl", "is the audit log"),
]


def test_rejects_writes_every_rejected_row_for_the_owner_alone(sqlite: Command) -> None:
    sqlite.write("rejects.ndjson", EARLIER)
    rows = [patient_row("0")] + [patient_row(str(n), firstName="") for n in range(1, 151)]

    done = sqlite.run("--patients", "-", "--rejects", "rejects.ndjson", stdin=array(*rows))

    file = sqlite.folder / "rejects.ndjson"
    rejected = [json.loads(line) for line in file.read_text().splitlines()]
    assert done.returncode == 3
    assert "and 50 more; all of them are in rejects.ndjson" in done.stderr.decode()
    assert [row["row"] for row in rejected] == list(range(2, 152))
    assert rejected[0] == {
        "model": "patient", "row": 2, "externalId": "1", "field": "firstName", "code": "blank",
        "message": "this field must not be blank", "value": "", "sent": patient_row("1", firstName=""),
    }  # fmt: skip
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_rejects_is_an_empty_file_where_no_row_is_rejected(sqlite: Command) -> None:
    sqlite.run("--patients", str(SAMPLES / "patients.json"), "--rejects", "rejects.ndjson")

    assert (sqlite.folder / "rejects.ndjson").read_bytes() == b""


def test_a_sync_that_fails_leaves_the_rejects_of_an_earlier_one(sqlite: Command) -> None:
    sqlite.write("rejects.ndjson", EARLIER)
    sqlite.run("--patients", "-", "--rejects", "rejects.ndjson", stdin=b'[{"externalId": "1"}, {"ext')

    assert (sqlite.folder / "rejects.ndjson").read_text() == EARLIER
    assert not list(sqlite.folder.glob(".rejects*"))


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
@pytest.mark.parametrize(("target", "words"), TARGETS)
def test_a_database_settings_or_a_snapshot_is_never_overwritten(
    practice: Command, target: str, words: str, flags: list[str]
) -> None:
    assert_refused(practice, target, target, words, *flags)


@pytest.mark.parametrize("alias", ["itself", "symbolic link", "hard link", "/dev/fd/9", "/proc/self/fd/9"])
@pytest.mark.parametrize(("target", "words"), TARGETS)
def test_overwrite_does_not_change_that_whatever_path_leads_there(
    practice: Command, target: str, words: str, alias: str
) -> None:
    file, link = practice.folder / target, practice.folder / "link"
    if alias == "symbolic link":
        link.symlink_to(target)
    elif alias == "hard link":
        link.hardlink_to(file)
    named = {"itself": target, "symbolic link": "link", "hard link": "link"}.get(alias, alias)

    assert_refused(practice, target, named, words, "--overwrite")


@pytest.mark.parametrize("name", ["new.sqlite", "new.sqlite-wal", "new.sqlite-shm", "new.sqlite-journal"])
def test_the_files_of_a_database_that_is_not_there_yet_are_refused(tmp_path: Path, name: str) -> None:
    command = Command(tmp_path, "sqlite:///new.sqlite")
    (tmp_path / "folder").symlink_to(".")

    done = command.run("--patients", "-", "--rejects", f"folder/{name}", "--overwrite", stdin=ONE_BAD_ROW)

    assert done.returncode == USAGE
    assert b"is a file of the database" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_standard_input_is_a_snapshot_too(practice: Command) -> None:
    done = shell(practice, 'exec "$0" --patients - --rejects patients.json --overwrite <patients.json')

    assert done.returncode == USAGE
    assert b"patients.json is a snapshot" in done.stderr


@pytest.mark.parametrize("content", ["notes\n", "[]", "5\n", '{"model": "patient"}\n', "\xff\n", "\n"])
def test_a_file_that_is_no_rejects_file_is_replaced_only_if_asked_for(practice: Command, content: str) -> None:
    practice.write("notes", content.encode("latin-1"))

    refused = practice.run("--patients", "patients.json", "--rejects", "notes")
    assert refused.returncode == USAGE
    assert refused.stderr.decode() == (
        "paymentagg-sync: error: argument --rejects: notes is not a former rejects file; "
        "give another file; --overwrite replaces it nevertheless; nothing was changed\n"
    )
    assert (practice.folder / "notes").read_bytes() == content.encode("latin-1")

    assert practice.run("--patients", "patients.json", "--rejects", "notes", "--overwrite").returncode == REJECTED
    assert rows(practice.folder / "notes") == [2]


def test_a_former_rejects_file_is_replaced_and_an_empty_file_too(practice: Command) -> None:
    practice.write("rejects.ndjson", "")
    for bad in (array(5, patient_row()), array(patient_row(), 5)):
        assert practice.run("--patients", "-", "--rejects", "rejects.ndjson", stdin=bad).returncode == REJECTED
    assert rows(practice.folder / "rejects.ndjson") == [2]


def test_mended_rows_can_be_sent_again(practice: Command) -> None:
    patients = [patient_row("1"), patient_row("2", dateOfBirth="31.12.1990", note={"kept": [1.50]}), patient_row("3")]
    payments = [payment_row("1", "1"), payment_row("2", "2"), payment_row("3", "3", "12,50"), payment_row("1", "1")]
    practice.write("patients.json", array(*patients))
    practice.write("payments.ndjson", ndjson(*payments))
    arguments = ("--patients", "patients.json", "--payments", "payments.ndjson", "--rejects", "rejects.ndjson")
    assert practice.run(*arguments).returncode == REJECTED

    found = [json.loads(line) for line in (practice.folder / "rejects.ndjson").read_text().splitlines()]
    assert [(row["model"], row["row"], row["code"], row["value"]) for row in found] == [
        ("patient", 2, "invalid-date", "31.12.1990"),
        ("payment", 3, "invalid-amount", "12,50"),
        ("payment", 4, "duplicate-external-id", "1"),
        ("payment", 2, "unknown-patient", "2"),
    ]
    assert [row["sent"] for row in found] == [
        patients[1],
        payments[2],
        {"externalId": "1", "patientId": "1", "amount": 4.46},
        {"externalId": "2", "patientId": "2", "amount": 4.46},
    ]

    mended = {(row["model"], row["row"]): row["sent"] for row in found}
    mended["patient", 2]["dateOfBirth"] = "1990-12-31"
    mended["payment", 3]["amount"] = "12.50"
    again = [mended.get(("payment", number), row) for number, row in enumerate(payments, 1)][:3]
    practice.write("patients.json", array(patients[0], mended["patient", 2], patients[2]))
    practice.write("payments.ndjson", ndjson(*again))
    done = practice.run(*arguments)
    assert done.stdout.decode().splitlines() == [
        "patients: 1 created, 0 updated, 0 deleted, 2 unchanged, 0 rejected",
        "payments: 2 created, 0 updated, 0 deleted, 1 unchanged, 0 rejected",
    ]
    assert (practice.folder / "rejects.ndjson").read_bytes() == b""


@pytest.mark.parametrize("row", [b'{"externalId": "\\ud800"}', b'{"a": "%b"}' % (b"x" * 1_000_000), b'{"a": %b1%b}'])
def test_a_file_is_known_as_a_former_rejects_file_whatever_the_row_was(practice: Command, row: bytes) -> None:
    practice.write("patients.json", b"[" + row.replace(b"%b1", b"[" * 800 + b"1").replace(b"%b", b"]" * 800) + b"]")
    for _ in range(2):
        done = practice.run("--patients", "patients.json", "--rejects", "rejects.ndjson")
        assert done.returncode == REJECTED
    assert rows(practice.folder / "rejects.ndjson") == [1]


def test_a_link_stays_a_link(practice: Command) -> None:
    (practice.folder / "link").symlink_to("rejects.ndjson")

    assert practice.run("--patients", "patients.json", "--rejects", "link").returncode == REJECTED
    assert (practice.folder / "link").is_symlink()
    assert rows(practice.folder / "rejects.ndjson") == [2]


@pytest.mark.parametrize(
    "redirection",
    ["| cat >out", ">out", ">>out", "3>&1 >out --rejects /dev/fd/1", "9>out --rejects /proc/self/fd/9 | cat >>out"],
)
def test_an_open_descriptor_gets_the_rows_before_the_summary(practice: Command, redirection: str) -> None:
    given = "" if "--rejects" in redirection else "--rejects /dev/stdout "

    shell(practice, f'"$0" --patients patients.json {given}{redirection}')

    lines = (practice.folder / "out").read_text().splitlines()
    assert json.loads(lines[0])["row"] == 2
    assert lines[1:] == ["patients: 1 created, 0 updated, 0 deleted, 0 unchanged, 1 rejected"]


def test_a_descriptor_of_another_file_is_refused_like_the_file(practice: Command) -> None:
    practice.write("notes", "notes\n")

    done = shell(practice, 'exec "$0" --patients patients.json --rejects /dev/stdout >>notes')

    assert done.returncode == USAGE
    assert (practice.folder / "notes").read_text() == "notes\n"


@pytest.mark.parametrize("target", ["/dev/fd/9", "/dev/stdin"])
def test_a_descriptor_that_cannot_be_written_is_usage(practice: Command, target: str) -> None:
    done = practice.run("--patients", "patients.json", "--rejects", target, stdin=b"unread")

    assert done.returncode == USAGE
    assert f"{target} can't be written: Bad file descriptor" in done.stderr.decode()


def test_a_named_pipe_and_the_null_device_are_written(practice: Command) -> None:
    os.mkfifo(practice.folder / "pipe")

    done = shell(practice, 'cat pipe & "$0" --patients patients.json --rejects pipe >/dev/null; wait')
    assert json.loads(done.stdout)["row"] == 2
    assert practice.run("--patients", "patients.json", "--rejects", "/dev/null").returncode == REJECTED
    assert Path("/dev/null").is_char_device()


def test_a_disk_is_refused() -> None:
    for disk in filter(Path.is_block_device, Path("/dev").iterdir()):
        with pytest.raises(InvalidParameter, match="is a disk; give another file"):
            check_target(str(disk), [], overwrite=True)


def test_nothing_is_left_beside_a_target_that_is_refused(practice: Command) -> None:
    before = sorted(practice.folder.iterdir())
    practice.run("--patients", "patients.json", "--rejects", "paymentagg.sqlite")
    practice.run("--patients", "patients.json", "--rejects", "patients.json", "--overwrite")
    assert sorted(practice.folder.iterdir()) == before


def assert_refused(practice: Command, target: str, named: str, words: str, *flags: str) -> None:
    """Check that the rows aren't written to ``named``, a path to ``target``, which is open as descriptor 9 too."""
    file = practice.folder / target
    before = file.read_bytes()

    done = shell(practice, f'exec "$0" "$@" 9<>{target}', "--rejects", named, *flags)

    assert (done.returncode, done.stdout) == (USAGE, b"")
    assert f"argument --rejects: {named} {words}, and it would be overwritten; give another f" in done.stderr.decode()
    assert file.read_bytes() == before


def shell(command: Command, script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script in which $0 is paymentagg-sync, and $@ are its arguments."""
    return subprocess.run(
        ["/bin/bash", "-c", script, SCRIPT, "--patients", "patients.json", *arguments],
        cwd=command.folder, env=command.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
    )  # fmt: skip


def rows(file: Path) -> list[int]:
    """Return the number of each rejected row in a rejects file."""
    return [json.loads(line)["row"] for line in file.read_text().splitlines()]


@pytest.fixture
def practice(tmp_path: Path, sqlite_url: str) -> Command:
    """The script in a folder with a database, settings, an audit log, a snapshot, and a database that isn't in use."""
    assert sqlite_url.endswith("/paymentagg.sqlite")
    command = Command(tmp_path, None)
    command.write("other.sqlite", (tmp_path / "paymentagg.sqlite").read_bytes())
    command.write("development.ini", INI.format("paymentagg.sqlite") + "paymentagg.audit_file = %(here)s/audit.jsonl\n")
    command.write("audit.jsonl", "")
    command.write("patients.json", ONE_BAD_ROW)
    return command
