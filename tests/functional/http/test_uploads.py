"""POST: snapshots that are accepted or refused, parameters of a sync, and its report."""

import json
import logging
from typing import Any

import pytest
from webtest import TestApp

from api import JSON, MULTIPART, NDJSON, code, multipart, part, post, stored
from builders import array, ndjson, patient_row, payment_row

PATIENTS = array(patient_row("5"), patient_row("6"))


def test_a_snapshot_that_cannot_be_read_changes_nothing_and_says_where(app: TestApp) -> None:
    post(app, "/patients", PATIENTS)
    problem = post(app, "/patients", array(patient_row("7"))[:-1] + b"x", status=400).json
    assert problem["type"].endswith("invalid-snapshot")
    assert problem["offset"] > 0
    assert post(app, "/patients", b"{}\n[]", NDJSON, status=400).json["row"] == 2
    for body in (b"null", b"{}", b'{"patients":[]}', b"[] x", ndjson(patient_row("7"))):
        assert code(post(app, "/patients", body, status=400)) == "invalid-snapshot"
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
        "value": "9",
    }
    assert (report["errors"][1]["code"], report["errors"][1]["value"]) == ("invalid-amount", "x")


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
    [("0", 409), ("1", 409), ("2", 200), ("49%25", 409), ("100%25", 200), ("100%", 200), (None, 200)],
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
    assert problem["detail"] == (
        "2 of 2 patients would be deleted, and at most 1 patients may be; if that is right: max_delete=2"
    )
    post(app, "/patients?max_delete=2", array())


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
        *((name, name) for name in ("dry_run", "strict", "max_delete", "taken_at")),
        *((f"{name}=", name) for name in ("dry_run", "strict", "max_delete", "taken_at")),
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
