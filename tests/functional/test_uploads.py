"""POST: what is taken as a snapshot, how it may come, and what a sync answers."""

import gzip
import io
import json
import logging
from typing import Any

import pytest
from webtest import TestApp, TestRequest

from api import JSON, MULTIPART, NDJSON, code, multipart, part, post, stored
from builders import array, gzipped, ndjson, patient_row, payment_row
from stores import SqlStore

PATIENTS = array(patient_row("5"), patient_row("6"))


@pytest.fixture
def small_uploads(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("PAYMENTAGG_MAX_UPLOAD_BYTES", "65536")
    return 65536


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (JSON, PATIENTS),
        ("application/json; charset=utf-8", PATIENTS),
        ('Application/JSON;Charset="UTF-8"', PATIENTS),
        (NDJSON, ndjson(patient_row("5"), patient_row("6"))),
        (JSON, gzipped(PATIENTS)),
        (NDJSON, gzipped(ndjson(patient_row("5"), patient_row("6")))),
    ],
)
def test_a_snapshot_comes_as_an_array_or_as_lines_gzipped_or_not(app: TestApp, media: str, body: bytes) -> None:
    assert post(app, "/patients", body, media).json["patients"]["created"] == 2
    assert stored(app) == (2, 0)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("identity", PATIENTS),
        ("gzip", gzipped(PATIENTS)),
        ("GZIP", gzipped(PATIENTS)),
        ("gzip", gzip.compress(PATIENTS[:20]) + gzip.compress(PATIENTS[20:])),
    ],
)
def test_a_snapshot_may_say_how_it_is_encoded(app: TestApp, encoding: str, body: bytes) -> None:
    assert post(app, "/patients", body, Content_Encoding=encoding).json["patients"]["created"] == 2


@pytest.mark.parametrize(
    "body",
    [
        PATIENTS,
        b"",
        gzipped(PATIENTS)[:-1],
        gzipped(PATIENTS)[:-8] + b"\0\0\0\0" + gzipped(PATIENTS)[-4:],
        gzipped(PATIENTS) + b"more",
    ],
    ids=["not gzip", "empty", "cut", "wrong checksum", "trailing bytes"],
)
def test_damaged_gzip_is_an_invalid_snapshot(app: TestApp, body: bytes) -> None:
    assert code(post(app, "/patients", body, Content_Encoding="gzip", status=400)) == "invalid-snapshot"
    assert stored(app) == (0, 0)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "gzip,identity", "zstd", ""])
@pytest.mark.parametrize("path", ["/patients", "/payments", "/snapshot"])
def test_another_content_encoding_is_not_supported(app: TestApp, path: str, encoding: str) -> None:
    media = MULTIPART if path == "/snapshot" else JSON
    response = post(app, path, PATIENTS, media, Content_Encoding=encoding, status=415)
    assert code(response) == "unsupported-encoding"
    assert "identity" in response.headers["Accept-Encoding"]


@pytest.mark.parametrize(
    "media",
    [
        "",
        "json",
        "text/plain",
        "text/csv",
        "application/zip",
        "application/gzip",
        "application/x-www-form-urlencoded",
        MULTIPART,
        "application/json; charset=utf-16",
        "application/x-ndjson; charset=latin-1",
        "application/json, application/json",
    ],
)
@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_another_content_type_is_not_supported(app: TestApp, path: str, media: str) -> None:
    assert code(post(app, path, array(), media, status=415)) == "unsupported-media-type"


def test_a_missing_content_type_is_not_supported(app: TestApp) -> None:
    request = TestRequest.blank("/patients", method="POST", body=PATIENTS)
    assert "Content-Type" not in request.headers
    assert code(app.do_request(request, status=415)) == "unsupported-media-type"


@pytest.mark.parametrize("media", [JSON, NDJSON])
def test_an_empty_body_is_an_invalid_snapshot(app: TestApp, media: str) -> None:
    assert code(post(app, "/patients", b"", media, status=400)) == "invalid-snapshot"


def test_a_snapshot_that_cannot_be_read_changes_nothing_and_says_where(app: TestApp) -> None:
    post(app, "/patients", PATIENTS)
    problem = post(app, "/patients", array(patient_row("7"))[:-1] + b"x", status=400).json
    assert problem["type"].endswith("invalid-snapshot")
    assert problem["offset"] > 0
    assert post(app, "/patients", b"{}\n[]", NDJSON, status=400).json["row"] == 2
    for body in (b"null", b"{}", b'{"patients":[]}', b"[] x", ndjson(patient_row("7"))):
        assert code(post(app, "/patients", body, status=400)) == "invalid-snapshot"
    assert stored(app) == (2, 0)


@pytest.mark.usefixtures("small_uploads")
@pytest.mark.parametrize(
    ("path", "media", "body"),
    [
        ("/patients", JSON, b"[" + b" " * 65536),
        ("/patients", JSON, gzipped(b"[" + b" " * 65_000_000)),
        ("/snapshot", MULTIPART, multipart(part("patients", b"[" + b" " * 65536))),
        ("/snapshot", MULTIPART, multipart(part("patients", gzipped(b"[" + b" " * 65_000_000)))),
        ("/snapshot", MULTIPART, multipart(part("patients", b" " * 40_000), part("payments", b" " * 40_000))),
    ],
    ids=["array", "bomb", "part", "bomb in a part", "both parts together"],
)
def test_what_is_too_large_is_refused(app: TestApp, path: str, media: str, body: bytes) -> None:
    assert code(post(app, path, body, media, status=413)) == "too-large"
    assert stored(app) == (0, 0)


@pytest.mark.parametrize(("path", "media"), [("/patients", JSON), ("/snapshot", MULTIPART)])
def test_a_length_over_the_limit_is_refused_before_anything_is_read(
    small_uploads: int, app: TestApp, path: str, media: str
) -> None:
    request = TestRequest.blank(path, method="POST", content_type=media, environ={"wsgi.input": io.BytesIO()})
    request.environ["CONTENT_LENGTH"] = str(small_uploads + 1)
    assert code(app.do_request(request, status=413)) == "too-large"


@pytest.mark.usefixtures("small_uploads")
def test_what_is_just_at_the_limit_is_taken(app: TestApp) -> None:
    post(app, "/patients", PATIENTS + b" " * (65536 - len(PATIENTS)))
    assert stored(app) == (2, 0)


def test_the_report_is_that_of_the_contract(app: TestApp) -> None:
    post(app, "/patients", PATIENTS)
    rows = array(payment_row("1", "5"), payment_row("2", "9"), payment_row("3", "6", "x"), payment_row("4", "6"))
    report = post(app, "/payments", rows).json
    assert set(report) == {"id", "dryRun", "startedAt", "finishedAt", "payments", "errors", "errorsOmitted"}
    assert report["payments"] == {
        "rows": 4,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "rejected": 2,
        "deleted": 0,
        "deletionsSuspended": None,
    }
    assert (report["id"], report["dryRun"], report["errorsOmitted"]) == (2, False, 0)
    message = report["errors"][0].pop("message")
    assert message
    assert report["errors"][0] == {
        "model": "payment",
        "row": 2,
        "externalId": "2",
        "field": "patientId",
        "code": "unknown-patient",
    }
    assert report["errors"][1]["code"] == "invalid-amount"


def test_a_dry_run_reports_the_same_and_changes_nothing(app: TestApp) -> None:
    dry = post(app, "/patients?dry_run=true", PATIENTS).json
    assert stored(app) == (0, 0)
    assert app.get("/syncs").json == []
    done = post(app, "/patients?dry_run=false", PATIENTS).json
    assert (dry["id"], dry["dryRun"], done["dryRun"]) == (None, True, False)
    assert dry["patients"] == done["patients"]


def test_a_strict_sync_takes_all_rows_or_none(app: TestApp) -> None:
    rows = array(patient_row("5"), patient_row("6", firstName=""))
    problem = post(app, "/patients?strict=true", rows, status=422).json
    assert problem["type"].endswith("rejected-rows")
    assert [(error["row"], error["externalId"], error["code"]) for error in problem["errors"]] == [(2, "6", "blank")]
    assert problem["errorsOmitted"] == 0
    assert stored(app) == (0, 0)
    assert app.get("/syncs").json == []
    post(app, "/patients?strict=false", rows)
    assert stored(app) == (1, 0)


@pytest.mark.parametrize(
    ("limit", "status"),
    [("0", 409), ("1", 409), ("2", 200), ("49%25", 409), ("100%25", 200), ("100%", 200), ("", 200), (None, 200)],
)
def test_a_sync_may_set_its_own_limit_of_deletions(app: TestApp, limit: str | None, status: int) -> None:
    post(app, "/patients", PATIENTS)
    query = "" if limit is None else f"?max_delete={limit}"
    post(app, f"/patients{query}", array(), status=status)
    assert stored(app) == (2 if status == 409 else 0, 0)


def test_the_guard_says_what_it_refused(app: TestApp) -> None:
    post(app, "/patients", PATIENTS)
    problem = post(app, "/patients?max_delete=1", array(), status=409).json
    members = {name: problem[name] for name in ("model", "stored", "wouldDelete", "limit")}
    assert members == {"model": "patient", "stored": 2, "wouldDelete": 2, "limit": 1}
    assert problem["type"].endswith("deletion-guard")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("dry_run=1", "dry_run"),
        ("dry_run=True", "dry_run"),
        ("dryrun=true", "dryrun"),
        ("strict=yes", "strict"),
        ("strict=true&strict=true", "strict"),
        ("max_delete=-1", "max_delete"),
        ("max_delete=101%25", "max_delete"),
        ("max_delete=1.5", "max_delete"),
        ("max_delete=1&max_delete=", "max_delete"),
        ("payment_min=1", "payment_min"),
    ],
)
@pytest.mark.parametrize("path", ["/patients", "/payments", "/snapshot"])
def test_a_parameter_that_is_not_understood_stops_the_sync(app: TestApp, path: str, query: str, parameter: str) -> None:
    body, media = (multipart(part("patients", PATIENTS)), MULTIPART) if path == "/snapshot" else (PATIENTS, JSON)
    assert post(app, f"{path}?{query}", body, media, status=400).json["parameter"] == parameter
    assert stored(app) == (0, 0)


def test_a_finished_sync_is_logged_in_counts(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    secrets = {"firstName": "Eldon", "lastName": "Tyrell", "dateOfBirth": "1953-07-13"}
    with caplog.at_level(logging.INFO, "paymentagg"):
        post(app, "/patients", array(patient_row("no-id-in-logs", **secrets), patient_row("bad", lastName=None)))
        post(app, "/payments?dry_run=true", array(payment_row("a-payment", "no-id-in-logs", "73.31")))
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("paymentagg")]
    assert len(lines) == 2
    assert lines[0].startswith("sync 1: patients: 1 created, 0 updated, 0 deleted, 0 unchanged, 1 rejected; ")
    assert "dry run" in lines[1]
    for secret in (*secrets.values(), "no-id-in-logs", "a-payment", "bad", "73.31"):
        assert secret not in json.dumps(lines)


def test_a_refused_sync_is_not_logged_as_done(app: TestApp, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paymentagg"):
        post(app, "/patients?strict=true", array(patient_row("")), status=422)
    assert not [record for record in caplog.records if record.getMessage().startswith("sync ")]


def test_amounts_stay_exact_on_their_way_through(app: TestApp) -> None:
    amounts: list[Any] = ["9999999999.99", "0.10", "0.20", "-5.00"]
    post(app, "/patients", PATIENTS)
    post(app, "/payments", array(*(payment_row(str(number), "5", amount) for number, amount in enumerate(amounts))))
    assert '"paymentTotal":9999999995.29' in app.get("/patients/5").text


def test_a_sync_while_another_runs_is_told_when_to_come_back_and_reads_go_on(app: TestApp, database_url: str) -> None:
    store = SqlStore(database_url)
    with store.transaction() as other:
        other.lock()
        response = app.post("/patients", array(), content_type="application/json", status=409)
        assert app.get("/patients").json == []
        other.discard()
    store.close()
    assert code(response) == "sync-in-progress"
    assert int(response.headers["Retry-After"]) > 0
    app.post("/patients", array(patient_row("5")), content_type="application/json")
