"""POST /syncs/{id}/undo: the latest sync that changed something is taken back, and its snapshot is held."""

from pathlib import Path

import pytest
from webtest import TestApp

from api import checked, post, stored
from auditlog import events
from builders import array, patient_row, payment_row
from paymentagg.app import main
from server import serving

PATIENTS = array(patient_row("5"), patient_row("6"))
WRONG = array(patient_row("5", firstName="Roy"))


def test_an_undo_is_a_sync_of_its_own_and_gives_back_what_was(app: TestApp) -> None:
    post(app, "/patients", PATIENTS)
    before, tag = app.get("/patients").json, app.get("/patients").headers["ETag"]
    wrong = post(app, "/patients", WRONG).json

    report = app.post(f"/syncs/{wrong['id']}/undo").json

    assert report["undoes"] == wrong["id"]
    assert report["patients"] == {
        "rows": 2, "created": 1, "updated": 1, "unchanged": 0, "rejected": 0, "deleted": 0, "deletionsSuspended": None,
    }  # fmt: skip
    assert app.get(f"/syncs/{report['id']}").json == report
    assert app.get("/patients").json == before
    assert app.get("/patients").headers["ETag"] != tag
    held = checked(post(app, "/patients", WRONG, status=409), "held-snapshot", 409)
    assert f"sync {wrong['id']}" in held["detail"]
    post(app, "/patients", array(patient_row("5", firstName="Rick"), patient_row("6")))


def test_a_dry_run_says_what_an_undo_would_do_and_changes_nothing(app: TestApp) -> None:
    first = post(app, "/patients", PATIENTS).json
    report = app.post(f"/syncs/{first['id']}/undo?dry_run=true").json
    assert (report["id"], report["dryRun"], report["undoes"]) == (None, True, first["id"])
    assert report["patients"]["deleted"] == 2
    assert stored(app) == (2, 0)
    assert len(app.get("/syncs").json) == 1


@pytest.mark.parametrize("sync", ["99", "0", "-1", "x", "1" * 19, "1e3"])
def test_an_unknown_sync_is_not_found(app: TestApp, sync: str) -> None:
    post(app, "/patients", PATIENTS)
    checked(app.post(f"/syncs/{sync}/undo", status=404), "not-found", 404)


def test_a_sync_that_is_not_the_last_names_the_one_that_is(app: TestApp) -> None:
    first, second = post(app, "/patients", PATIENTS).json, post(app, "/payments", array(payment_row("1", "5"))).json
    problem = checked(app.post(f"/syncs/{first['id']}/undo", status=409), "not-undoable", 409)
    assert problem["detail"].endswith(f"the next one to undo is sync {second['id']}")
    for sync in (second, first):
        app.post(f"/syncs/{sync['id']}/undo", status=200)
    checked(app.post(f"/syncs/{first['id']}/undo", status=409), "not-undoable", 409)
    assert stored(app) == (0, 0)


@pytest.mark.parametrize("parameter", ["strict=true", "max_delete=5", "taken_at=2026-01-01T00:00:00Z", "dry_run="])
def test_an_undo_takes_no_other_parameter(app: TestApp, parameter: str) -> None:
    first = post(app, "/patients", PATIENTS).json
    problem = checked(app.post(f"/syncs/{first['id']}/undo?{parameter}", status=400), "invalid-parameter", 400)
    assert problem["parameter"] == parameter.partition("=")[0]


def test_an_undo_with_an_idempotency_key_is_done_once(app: TestApp) -> None:
    first = post(app, "/patients", PATIENTS).json
    path, headers = f"/syncs/{first['id']}/undo", {"Idempotency-Key": "undo-monday"}
    done = app.post(path, headers=headers)
    again = app.post(path, headers=headers)
    assert again.json == done.json
    assert again.headers["Idempotent-Replayed"] == "true"
    mismatch = post(app, "/patients", PATIENTS, status=422, Idempotency_Key="undo-monday")
    checked(mismatch, "idempotency-mismatch", 422)


def test_a_body_is_refused_and_no_body_is_needed(sqlite_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, sqlite_url) as server:
        sync = server.post("/patients", PATIENTS).json
        assert server.post(f"/syncs/{sync['id']}/undo", b"[]").status == 400
        assert server.request("POST", f"/syncs/{sync['id']}/undo", b"").status == 200


def test_an_undo_has_its_lines_in_the_audit_log(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    app = TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.audit_file": str(log)}))
    sync = post(app, "/patients", PATIENTS).json["id"]
    app.post(f"/syncs/{sync}/undo?dry_run=true")
    undo = app.post(f"/syncs/{sync}/undo").json["id"]
    app.post(f"/syncs/{sync}/undo", status=409)
    lines = [(line["kind"], line["outcome"], line.get("sync"), line.get("undoes")) for line in events(log)[2:]]
    assert lines == [
        *(("dry-run", "begun", None, None), ("dry-run", "ok", None, sync)),
        *(("undo", "begun", None, None), ("undo", "ok", undo, sync)),
        *(("undo", "begun", None, None), ("undo", "refused", None, None)),
    ]
    assert events(log)[-1]["route"] == "/syncs/{id}/undo"
