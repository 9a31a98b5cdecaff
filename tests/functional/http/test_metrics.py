"""The metrics: what they count, and that they say how old the data are, whoever has synced them."""

import subprocess
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from webtest import TestApp

from api import JSON, PATIENTS, PAYMENTS, post, sync
from builders import array, patient_row
from canaries import OF_PATIENTS, found
from command import Command
from paymentagg.app import main
from postgres import connect
from scraped import Scraped


def test_requests_are_counted_by_the_pattern_of_their_path(practice: TestApp) -> None:
    for path in ("/patients/5", "/patients/6", "/patients/no-such", "/nowhere/Deckard"):
        practice.get(path, expect_errors=True)
    metrics = scrape(practice)
    one = {"route": "/patients/{externalId}", "method": "GET"}
    assert metrics.value("http_requests_total", **one, status="200") == 2
    assert metrics.value("http_requests_total", **one, status="404") == 1
    assert metrics.value("http_requests_total", route="none", method="GET", status="404") == 1
    assert metrics.value("http_request_duration_seconds_count", **one) == 3
    assert metrics.value("problems_total", code="not-found") == 2


def test_syncs_are_counted_by_their_outcome_and_rows_by_what_became_of_them(practice: TestApp) -> None:
    rows = array(PATIENTS[0] | {"lastName": "Kanarienvogel"}, *PATIENTS[1:], patient_row("9", firstName=""))
    post(practice, "/patients?dry_run=true", rows)
    post(practice, "/patients", rows)
    post(practice, "/patients?max_delete=0", array(PATIENTS[0]), status=409)
    post(practice, "/patients", b"[{", status=400)
    undone = practice.get("/syncs?limit=1").json[0]["id"]
    practice.post(f"/syncs/{undone}/undo")
    metrics = scrape(practice)
    outcomes = {
        ("sync", "done"): 2,
        ("sync", "done-with-rejections"): 1,
        ("sync", "deletion-guard"): 1,
        ("sync", "invalid-snapshot"): 1,
        ("dry-run", "done-with-rejections"): 1,
        ("undo", "done"): 1,
    }
    assert {
        (kind, outcome): metrics.value("syncs_total", kind=kind, outcome=outcome) for kind, outcome in outcomes
    } == outcomes
    assert metrics.value("rows_total", model="patients", kind="created") == len(PATIENTS)
    assert metrics.value("rows_total", model="patients", kind="updated") == 2
    assert metrics.value("rows_total", model="patients", kind="rejected") == 1
    assert metrics.value("sync_duration_seconds_count", kind="sync") == 3


def test_a_repeated_request_is_counted_as_a_replay(app: TestApp) -> None:
    for _ in range(2):
        post(app, "/patients", array(*PATIENTS), Idempotency_Key="once")
    metrics = scrape(app)
    assert metrics.value("syncs_total", kind="sync", outcome="replayed") == 1
    assert metrics.value("rows_total", model="patients", kind="created") == len(PATIENTS)


def test_the_age_of_the_data_is_that_of_the_last_sync_which_is_not_taken_back(app: TestApp, database_url: str) -> None:
    assert scrape(app).value("last_good_sync_age_seconds", model="patients") is None
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    with connect(database_url) as connection:
        connection.execute(sa.text("UPDATE syncs SET finished_at = started_at"))
        started = connection.scalar(sa.text("SELECT max(id) FROM syncs"))
    sync(app, "/payments", PAYMENTS[:-1])
    with connect(database_url) as connection:
        set_age(connection, started, timedelta(hours=5))
    fresh = scrape(app).value("last_good_sync_age_seconds", model="payments")
    app.post(f"/syncs/{started + 1}/undo")
    old = scrape(app).value("last_good_sync_age_seconds", model="payments")
    assert fresh is not None
    assert old is not None
    assert fresh < 3600 < 4.9 * 3600 < old
    assert scrape(app).value("stored_rows", model="payments") == len(PAYMENTS)


def test_a_sync_of_the_console_makes_the_data_young(tmp_path: Path, app: TestApp, database_url: str) -> None:
    file = tmp_path / "patients.json"
    file.write_bytes(array(*PATIENTS))
    Command(tmp_path, database_url).run("--patients", str(file))
    metrics = scrape(app)
    age = metrics.value("last_good_sync_age_seconds", model="patients")
    assert age is not None
    assert age < 3600
    assert metrics.value("stored_rows", model="patients") == len(PATIENTS)
    assert metrics.value("syncs_total", kind="sync", outcome="done") is None


def test_without_its_database_a_server_still_has_metrics() -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": "postgresql://nobody@127.0.0.1:1/none"}))
    metrics = scrape(app)
    assert metrics.value("database_up") == 0
    assert metrics.value("pool_connections_limit", pool="readers") == 10
    assert metrics.value("last_good_sync_age_seconds", model="patients") is None


def test_the_database_and_its_connections_are_shown(practice: TestApp) -> None:
    metrics = scrape(practice)
    assert metrics.value("database_up") == 1
    for pool in ("readers", "writers"):
        limit = metrics.value("pool_connections_limit", pool=pool)
        assert limit is not None
        assert limit >= 10
        assert metrics.value("pool_connections_in_use", pool=pool) == 0


def test_no_metric_shows_data_of_patients_or_what_clients_choose(practice: TestApp) -> None:
    for path in ("/patients/Kanarienvogel", "/payments?external_id=kanarie-id", "/Deckard", "/stats?Batty=1"):
        practice.get(path, expect_errors=True)
    TestApp(practice.app, lint=False).request("/patients", method="DECKARD", expect_errors=True)
    text = practice.get("/metrics").text
    assert found(text, (*OF_PATIENTS, "kanarie-id", "DECKARD")) == []


def test_openmetrics_is_sent_to_who_asks_for_it(app: TestApp) -> None:
    plain = app.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    open_metrics = app.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
    assert app.head("/metrics").body == b""


def test_promtool_has_no_complaint(practice: TestApp) -> None:
    practice.get("/patients/no-such", status=404)
    checked = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607  Debian's
        input=practice.get("/metrics").body,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def scrape(app: TestApp) -> Scraped:
    return Scraped(app.get("/metrics", headers={"Accept": JSON}).text)


def set_age(connection: sa.Connection, sync: int, age: timedelta) -> None:
    """Let a sync and those before it have ended so long ago."""
    older = (
        "finished_at - interval '{0} seconds'"
        if connection.dialect.name == "postgresql"
        else "strftime('%Y-%m-%d %H:%M:%f', finished_at, '-{0} seconds')"
    ).format(int(age.total_seconds()))
    connection.execute(sa.text(f"UPDATE syncs SET finished_at = {older} WHERE id <= :id"), {"id": sync})
