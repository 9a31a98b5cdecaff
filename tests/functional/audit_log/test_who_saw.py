"""paymentagg-audit who-saw: the reads of one patient, found by a pseudonym that only the secret can compute."""

import hashlib
import hmac
import stat
from pathlib import Path

import pytest
from webtest import TestApp

from api import NDJSON, PATIENTS, PAYMENTS, checked, sync
from auditlog import AUDIT, Audited, events
from command import Command
from keyring import Keyring, using
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.app import main
from paymentagg.domain.access import Role
from paymentagg.domain.audit_chain import Outcome
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user

READS = ("/patients/5", "/payments?external_id=5", "/history?patient=5")


def test_the_reads_of_a_patient_are_found_with_who_made_them_through_rotated_files(
    app: TestApp, audit: Command, log: Path, key: str
) -> None:
    reader = using(app, key)
    reader.get("/patients/5")
    reader.get("/patients/6")
    assert audit.run("rotate").returncode == 0
    reader.get("/payments?external_id=5", headers={"Accept": NDJSON})
    reader.get("/payments?external_id=6")
    done = audit.run("who-saw", "5")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert [line.split("  ", 1)[1] for line in lines] == [
        f"ok 200  key {key[5:13]} (reader)  192.0.2.1  GET /patients/{{externalId}}",
        f"begun  key {key[5:13]} (reader)  192.0.2.1  GET /payments",
        f"ok 200  key {key[5:13]} (reader)  192.0.2.1  GET /payments",
    ]
    assert done.stderr == b"0 reads of lists, which may have shown this patient too\n"
    assert audit.run("who-saw", "5", str(log)).stdout.decode().splitlines() == lines[1:]


def test_who_has_forgotten_the_patient_is_found_too(audit: Command, log: Path) -> None:
    trail = AuditTrail(AuditFile(log), "1", lambda: console_user("paymentagg-history forget", []))
    trail.of_patient("5")
    trail.end(Outcome.OK, status=0)
    [line] = audit.run("who-saw", "5").stdout.decode().splitlines()
    assert line.endswith("  paymentagg-history forget")


def test_reads_of_lists_are_counted_since_they_may_have_shown_the_patient(
    app: TestApp, audit: Command, key: str
) -> None:
    for path in ("/patients", "/payments", "/patients/6"):
        using(app, key).get(path)
    using(app, key).get("/patients", headers={"Accept": NDJSON})
    done = audit.run("who-saw", "5")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"3 reads of lists, which may have shown this patient too\n"


def test_the_log_has_a_keyed_pseudonym_of_the_patient_and_not_the_id(app: TestApp, log: Path, key: str) -> None:
    for path in READS:
        using(app, key).get(path)
    secret_file = log.with_name("audit.jsonl.secret")
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600
    secret = bytes.fromhex(secret_file.read_text())
    assert len(secret) == 32
    expected = hmac.new(secret, b"5", hashlib.sha256).hexdigest()
    assert [line["patient"] for line in events(log)[-len(READS) :]] == [expected] * len(READS)


def test_whose_payment_was_read_is_noted_and_reads_of_changes_are_counted(
    app: TestApp, audit: Command, key: str
) -> None:
    for path in ("/payments/501", "/payments/601", "/syncs/1/changes", "/syncs/1/rejections", "/history?payment=501"):
        using(app, key).get(path)
    done = audit.run("who-saw", "5")
    assert [line.split("  ")[-1] for line in done.stdout.decode().splitlines()] == ["GET /payments/{externalId}"]
    assert done.stderr == b"3 reads of lists, which may have shown this patient too\n"


def test_whoever_is_not_let_in_has_seen_nobody(app: TestApp, log: Path) -> None:
    app.get("/patients/5", status=401)
    assert "patient" not in events(log)[-1]


def test_all_processes_share_one_secret_whichever_is_first(log: Path) -> None:
    assert len({AuditFile(log).pseudonym("5") for _ in range(3)}) == 1
    assert {file.name for file in log.parent.glob("audit.jsonl*")} == {"audit.jsonl", "audit.jsonl.secret"}


@pytest.mark.parametrize("content", ["", "abc", None])
def test_a_patient_is_not_shown_without_a_secret(app: TestApp, log: Path, key: str, content: str | None) -> None:
    secret, planted = log.with_name("audit.jsonl.secret"), log.with_name("planted")
    planted.write_text("ab" * 32)
    if content is None:
        secret.symlink_to(planted)
    else:
        secret.write_text(content)
    for path in READS:
        checked(using(app, key).get(path, status=503), "audit-unavailable", 503)
    assert using(app, key).get("/patients").status_int == 200
    assert planted.read_text() == "ab" * 32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["who-saw"], b"the following arguments are required: ID"),
        (["who-saw", "-c", "no.ini", "5"], b"no.ini does not exist"),
        (["who-saw", "5"], b"paymentagg.audit_file: isn't set"),
    ],
)
def test_wrong_usage_is_reported(tmp_path: Path, sqlite_url: str, arguments: list[str], words: bytes) -> None:
    done = Command(tmp_path, sqlite_url, AUDIT).run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def app(sqlite_url: str, log: Path) -> TestApp:
    """A client without a key, of an application with the small practice and an audit log."""
    settings = {"sqlalchemy.url": sqlite_url}
    open_app = TestApp(main({}, **settings))
    sync(open_app, "/patients", PATIENTS)
    sync(open_app, "/payments", PAYMENTS)
    return TestApp(main({}, **settings, **{"paymentagg.access": "keys", "paymentagg.audit_file": str(log)}))


@pytest.fixture
def key(sqlite_url: str) -> str:
    keyring = Keyring(sqlite_url)
    text = keyring.key(Role.READER)
    keyring.store.close()
    return text


@pytest.fixture
def audit(tmp_path: Path, sqlite_url: str) -> Command:
    return Audited(tmp_path, sqlite_url, AUDIT)
