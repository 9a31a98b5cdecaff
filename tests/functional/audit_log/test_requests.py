"""The audit log of the application: one event for each outcome of a request, without data of patients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pyramid.events import NewRequest
from pyramid.interfaces import INewRequest
from pyramid.request import Request
from webtest import TestApp, TestResponse

from api import NDJSON, PATIENTS, XLSX, checked, post, registry, sync
from auditlog import events
from builders import array, patient_row, payment_row
from keyring import Keyring, using
from paymentagg.adapters.audit_file import AuditFile, NoAudit
from paymentagg.app import build, main
from paymentagg.domain.access import Role
from paymentagg.domain.audit_chain import Event
from paymentagg.domain.errors import InvalidParameter
from postgres import connect

Call = Callable[[TestApp], object]


def last(log: Path) -> dict[str, Any]:
    """Return the last event of a log."""
    return events(log)[-1]


def test_a_page_is_one_line_with_the_rows_that_went_out(practice: TestApp, log: Path) -> None:
    before = len(events(log))
    practice.get("/patients?payments_min=1&sort=lastName")
    (line,) = events(log)[before:]
    assert line.pop("time").endswith("Z")
    assert line.pop("duration") > 0
    assert len(line.pop("request")) == 36
    assert len(line.pop("previous")) == 64
    assert line == {
        "key": None,
        "role": "admin",
        "peer": "127.0.0.1",
        "method": "GET",
        "route": "/patients",
        "parameters": ["payments_min", "sort"],
        "outcome": "ok",
        "status": 200,
        "kind": "read",
        "counts": {"rows": 1},
    }


def test_a_sync_has_begun_before_it_is_done(app: TestApp, log: Path) -> None:
    report = sync(app, "/patients", [*PATIENTS, patient_row("9", firstName="")])
    begun, done = events(log)
    assert begun["request"] == done["request"]
    assert (begun["outcome"], done["outcome"]) == ("begun", "ok")
    assert begun["kind"] == done["kind"] == "sync"
    assert "status" not in begun
    assert (done["method"], done["route"], done["status"]) == ("POST", "/patients", 200)
    assert done["sync"] == report["id"]
    assert done["counts"] == {"patients": {"created": 3, "updated": 0, "deleted": 0, "unchanged": 0, "rejected": 1}}
    assert len(done["digests"]["patients"]) == 64


def test_a_dry_run_and_a_replay_are_noted_as_such(app: TestApp, log: Path) -> None:
    patients = array(*PATIENTS)
    post(app, "/patients?dry_run=true", patients)
    assert (last(log)["kind"], "sync" in last(log)) == ("dry-run", False)
    for kind in ("sync", "replay"):
        post(app, "/patients", patients, Idempotency_Key="one")
        assert (last(log)["kind"], last(log)["sync"]) == (kind, 1)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda app: app.get("/patients/5"), {"route": "/patients/{externalId}", "status": 200, "counts": {"rows": 1}}),
        (lambda app: app.head("/payments"), {"method": "HEAD", "route": "/payments", "counts": {"rows": 5}}),
        (lambda app: app.get("/syncs/1"), {"route": "/syncs/{id}", "status": 200}),
        (
            lambda app: app.get("/patients/Deckard", status=404),
            {"route": "/patients/{externalId}", "outcome": "refused", "code": "not-found", "status": 404},
        ),
        (lambda app: app.get("/Deckard", status=404), {"route": None, "method": "GET", "code": "not-found"}),
        (lambda app: app.get("/%ff", status=400), {"route": None, "code": "invalid-parameter"}),
        (
            lambda app: app.get("/patients?Deckard=1&limit=2", status=400),
            {"route": "/patients", "code": "invalid-parameter", "parameters": ["?", "limit"]},
        ),
        (lambda app: app.get("/patients?%ff", status=400), {"parameters": ["?"]}),
        (
            lambda app: app.request("/patients", method="DECKARD", status=405),
            {"method": "?", "outcome": "refused", "code": "method-not-allowed"},
        ),
        (
            lambda app: post(app, "/patients", b"[", status=400),
            {"outcome": "refused", "code": "invalid-snapshot", "kind": "sync"},
        ),
        (
            lambda app: post(app, "/patients", b"[", "text/xml", status=415),
            {"outcome": "refused", "code": "unsupported-media-type"},
        ),
        (
            lambda app: post(app, "/payments?max_delete=0", b"[]", status=409),
            {"outcome": "refused", "code": "deletion-guard", "status": 409, "parameters": ["max_delete"]},
        ),
        (
            lambda app: post(app, "/payments?strict=true", array(payment_row("1", "no")), status=422),
            {"outcome": "refused", "code": "rejected-rows", "status": 422},
        ),
    ],
)
def test_every_outcome_has_a_line(practice: TestApp, log: Path, call: Call, expected: dict[str, Any]) -> None:
    before = len(events(log))
    call(practice)
    lines = events(log)[before:]
    assert [line["outcome"] for line in lines[:-1]] in ([], ["begun"])
    assert {name: lines[-1].get(name) for name in expected} == expected
    assert "Deckard" not in log.read_text()


def test_an_answer_that_the_client_has_already_is_a_line_without_rows(practice: TestApp, log: Path) -> None:
    tag = practice.get("/patients").headers["ETag"]
    practice.get("/patients", headers={"If-None-Match": tag}, status=304)
    assert (last(log)["status"], last(log)["outcome"]) == (304, "ok")
    assert "counts" not in last(log)


@pytest.mark.parametrize("media", [NDJSON, "text/csv", XLSX])
def test_an_export_is_noted_when_it_begins_and_when_it_has_ended(practice: TestApp, log: Path, media: str) -> None:
    before = len(events(log))
    practice.get("/payments", headers={"Accept": media})
    begun, done = events(log)[before:]
    assert (begun["outcome"], begun["kind"]) == ("begun", "export")
    assert begun["request"] == done["request"]
    assert (done["outcome"], done["kind"], done["status"], done["counts"]) == ("ok", "export", 200, {"rows": 5})


def test_an_export_whose_client_leaves_is_noted_with_the_rows_that_may_have_gone_out(app: TestApp, log: Path) -> None:
    sync(app, "/patients", [patient_row(str(number)) for number in range(3000)])
    request = Request.blank("/patients", accept=NDJSON, remote_addr="127.0.0.1")
    body = request.get_response(app.app).app_iter
    next(iter(body))
    body.close()
    assert last(log)["counts"] == {"rows": 1000}
    assert (last(log)["outcome"], last(log)["code"]) == ("failed", "disconnected")


def test_a_spreadsheet_keeps_its_length_and_is_noted_with_all_rows_once_it_is_sent(app: TestApp, log: Path) -> None:
    sync(app, "/patients", [patient_row(str(number)) for number in range(3000)])
    response = Request.blank("/patients", accept=XLSX, remote_addr="127.0.0.1").get_response(app.app)
    assert last(log)["outcome"] == "begun"
    length = response.content_length
    assert length == len(response.body)
    assert (last(log)["outcome"], last(log)["counts"]) == ("ok", {"rows": 3000})
    app.head("/patients", headers={"Accept": XLSX})
    assert "counts" not in last(log)


def test_a_key_is_noted_by_its_public_id_and_requests_without_access_are_noted_too(
    database_url: str, log: Path
) -> None:
    keyring = Keyring(database_url)
    settings = {"sqlalchemy.url": database_url, "paymentagg.access": "keys", "paymentagg.audit_file": str(log)}
    closed = TestApp(main({}, **settings))
    key = keyring.key(Role.READER)
    keyring.store.close()
    using(closed, key).get("/patients")
    line = last(log)
    assert (line["role"], line["peer"]) == ("reader", "192.0.2.1")
    assert key.startswith(f"pagg_{line['key']}")
    post(using(closed, key), "/patients", b"[]", status=403)
    assert (last(log)["key"], last(log)["route"], last(log)["code"]) == (line["key"], "/patients", "forbidden")
    using(closed, None).get("/patients/5", status=401)
    refused = last(log)
    assert (refused["key"], refused["role"], refused["route"]) == (None, None, "/patients/{externalId}")
    assert (refused["outcome"], refused["code"], refused["status"]) == ("refused", "unauthorized", 401)
    assert key not in log.read_text()


def test_an_unexpected_error_is_noted_with_the_id_that_the_response_shows(
    practice: TestApp, log: Path, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(database_url) as connection:
        connection.execute(sa.text("UPDATE syncs SET report = '{}' WHERE id = 1"))
    problem = checked(practice.get("/syncs/1", status=500), "internal", 500)
    assert (last(log)["outcome"], last(log)["code"], last(log)["status"]) == ("failed", "internal", 500)
    assert last(log)["request"] == problem["id"]
    assert problem["id"] in caplog.text


def test_a_request_is_refused_if_the_audit_log_cannot_be_written(practice: TestApp) -> None:
    registry(practice).auditor = AuditFile(Path("/dev/full"))
    requests: list[Callable[[], TestResponse]] = [
        lambda: practice.get("/patients", status=503),
        lambda: practice.get("/patients", headers={"Accept": NDJSON}, status=503),
        lambda: practice.get("/nothing", status=503),
        lambda: post(practice, "/payments?max_delete=100%25", b"[]", status=503),
    ]
    for request in requests:
        response = request()
        problem = checked(response, "audit-unavailable", 503)
        assert problem["detail"] == "the audit log can't be written: No space left on device"
        assert response.headers["Retry-After"] == "10"
    registry(practice).auditor = NoAudit()
    assert len(practice.get("/payments").json) == 5


def test_a_sync_whose_outcome_cannot_be_noted_is_answered_and_logged(
    practice: TestApp, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry(practice).auditor = auditor = FullAfterOne(log)
    post(practice, "/payments?max_delete=100%25", b"[]")
    assert (last(log)["outcome"], last(log)["kind"]) == ("begun", "sync")
    assert f"request {last(log)['request']}: its outcome (ok) is missing from the audit log" in caplog.text
    registry(practice).auditor = NoAudit()
    assert practice.get("/payments").json == []
    registry(practice).auditor = auditor
    checked(practice.get("/payments", status=503), "audit-unavailable", 503)


class FullAfterOne(AuditFile):
    """A log on a disk that is full after one more line."""

    def note(self, event: Event, *, durable: bool = False) -> None:
        super().note(event, durable=durable)
        self._path = Path("/dev/full")


def test_the_end_of_the_process_in_the_middle_is_noted(app: TestApp, log: Path) -> None:
    def stop(_event: NewRequest) -> None:
        raise SystemExit

    registry(app).registerHandler(stop, (INewRequest,))
    with pytest.raises(SystemExit):
        app.get("/patients")
    assert (last(log)["outcome"], last(log)["code"]) == ("failed", "internal")


def test_health_checks_and_metrics_are_not_noted(app: TestApp, log: Path) -> None:
    for path in ("/health/live", "/health/ready", "/metrics"):
        app.get(path)
    assert events(log) == []
    app.get("/health/nothing", status=404)
    assert (last(log)["route"], last(log)["code"]) == (None, "not-found")
    app.get("/metrics?x=1", status=400)
    assert (last(log)["route"], last(log)["code"]) == ("/metrics", "invalid-parameter")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def app(database_url: str, log: Path) -> TestApp:
    settings = {"sqlalchemy.url": database_url, "paymentagg.audit_file": str(log)}
    app = TestApp(main({}, **settings), lint=False)  # WebTest's lint refuses unknown methods
    app.extra_environ["REMOTE_ADDR"] = "127.0.0.1"
    return app


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_the_audit_log_is_never_written_into_the_database(tmp_path: Path, ending: str) -> None:
    file, link = tmp_path / f"practice.sqlite{ending}", tmp_path / "link"
    link.symlink_to(file)
    for path in (file, link):
        with pytest.raises(InvalidParameter, match=r"paymentagg\.audit_file: names a file of the database"):
            build({"sqlalchemy.url": f"sqlite:///{tmp_path}/practice.sqlite", "paymentagg.audit_file": str(path)})
    assert [*tmp_path.iterdir()] == [link]
