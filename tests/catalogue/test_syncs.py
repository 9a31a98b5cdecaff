"""S: sequences of good snapshots."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from webtest import TestApp

from api import NDJSON, PATIENTS, PAYMENTS, checked, ids, post, sync
from builders import array, ndjson, patient_row
from cases import catalogued
from practice import Practice
from stores import SqlStore

SAME = {
    "S01": [
        ("/payments", array(*PAYMENTS), "application/json"),
        ("/payments", array(*reversed(PAYMENTS)), "application/json"),
        ("/payments", ndjson(*PAYMENTS), NDJSON),
        ("/payments", json.dumps(PAYMENTS, indent=4).encode(), "application/json"),
        ("/payments", array(*PAYMENTS).replace(b'"7.10"', b"7.1"), "application/json"),
        ("/patients", array(*(row | {"middleName": row.get("middleName")} for row in PATIENTS)), "application/json"),
    ]
}


@pytest.mark.parametrize(("path", "body", "media"), catalogued(SAME))
def test_the_same_rows_again_change_nothing(app: TestApp, stored: Practice, path: str, body: bytes, media: str) -> None:
    before, tag = stored.rows, app.get(path).headers["ETag"]
    report = post(app, path, body, media).json[path[1:]]
    assert report["unchanged"] == report["rows"] > 0
    assert stored.rows == before
    app.get(path, headers={"If-None-Match": tag}, status=304)


@pytest.mark.parametrize("payment", [pytest.param("501", id="S02")])
def test_a_payment_that_moves_changes_both_totals_at_once(app: TestApp, payment: str) -> None:
    moved = [row | {"patientId": "8"} if row["externalId"] == payment else row for row in PAYMENTS]
    assert sync(app, "/payments", moved)["payments"]["updated"] == 1
    assert totals(app) == {"5": "12.76", "6": "0.30", "8": "4.46"}


@pytest.mark.parametrize("limit", [pytest.param("100%", id="S03-percent"), pytest.param("3", id="S03-count")])
def test_deleting_a_patient_deletes_their_payments(app: TestApp, limit: str) -> None:
    report = sync(app, "/patients", PATIENTS[1:], f"?max_delete={quote(limit)}")
    assert (report["patients"]["deleted"], report["payments"]["deleted"]) == (1, 3)
    assert ids(app.get("/payments")) == ["601", "602"]


@pytest.mark.parametrize("path", [pytest.param(path, id=f"S04{path}") for path in ("/patients", "/payments")])
def test_an_id_that_comes_back_is_a_new_row(app: TestApp, path: str) -> None:
    rows: list[Any] = {"/patients": PATIENTS, "/payments": PAYMENTS}[path]
    before = app.get(path).json
    sync(app, path, rows[1:])
    sync(app, path, rows)
    after = {row["externalId"]: row for row in app.get(path).json}
    returned = after[before[0]["externalId"]]
    assert returned["created"] == returned["updated"] > before[0]["created"]
    assert returned["id"] > max(row["id"] for row in before)
    assert after[before[1]["externalId"]]["created"] == before[1]["created"]


LIMITS = {
    "S05": [
        ("/payments", 3, "2", 409),
        ("/payments", 3, "59%", 409),
        ("/payments", 3, "3", 200),
        ("/payments", 3, "60%", 200),
        ("/payments", 1, "0", 409),
        ("/patients", 1, "2", 409),
        ("/patients", 1, "3", 200),
        ("/payments", 5, "", 200),  # no limit in the request: the setting allows 100 rows
    ]
}


@pytest.mark.parametrize(("path", "missing", "limit", "status"), catalogued(LIMITS))
def test_a_sync_deletes_at_most_as_many_rows_as_its_limit(
    app: TestApp, stored: Practice, path: str, missing: int, limit: str, status: int
) -> None:
    before = stored.answers()
    rows: list[Any] = {"/patients": PATIENTS, "/payments": PAYMENTS}[path]
    query = f"?max_delete={quote(limit)}" if limit else ""
    answer = post(app, path + query, array(*rows[missing:]), status=status)
    if status == 409:
        checked(answer, "deletion-guard", 409)
        assert stored.answers() == before
    else:
        assert ids(app.get(path)) == [row["externalId"] for row in rows[missing:]]


LAST = "2026-01-02T00:00:00Z"
TIMES = {
    "S06": [
        (LAST, 200, None),
        ("2026-01-02T00:00:01Z", 200, None),
        ("2026-01-01T23:59:59Z", 409, "stale-snapshot"),
        ("2026-01-02T00:00:00+00:01", 409, "stale-snapshot"),
        ("2026-01-02T00:00:00-00:01", 200, None),
        ("2026-01-03T00:00:00", 400, "invalid-parameter"),
        ("2026-01-03", 400, "invalid-parameter"),
        ("9999-01-01T00:00:00Z", 400, "invalid-parameter"),
        (f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}", 400, "invalid-parameter"),
        ("now", 400, "invalid-parameter"),
    ]
}


@pytest.mark.parametrize(("taken_at", "status", "code"), catalogued(TIMES))
def test_a_snapshot_is_not_followed_by_an_older_one(
    app: TestApp, stored: Practice, taken_at: str, status: int, code: str | None
) -> None:
    post(app, f"/patients?taken_at={quote(LAST)}", array(*PATIENTS))
    before = stored.answers()
    answer = post(app, f"/patients?taken_at={quote(taken_at)}", array(*PATIENTS, patient_row("9")), status=status)
    if code:
        checked(answer, code, status)
        assert stored.answers() == before
    else:
        assert "9" in ids(app.get("/patients"))


KEYS = {
    "S07": [
        ("/patients", array(*PATIENTS[:1]), "monday", None, 200),
        ("/patients", array(*PATIENTS), "monday", "idempotency-mismatch", 422),
        ("/payments", array(*PATIENTS[:1]), "monday", "idempotency-mismatch", 422),
        *(("/patients", array(), wrong, "invalid-parameter", 400) for wrong in ("", "a b", "x" * 256)),
    ]
}


@pytest.mark.parametrize(("path", "body", "key", "code", "status"), catalogued(KEYS))
def test_a_sync_is_done_once_under_a_key(
    app: TestApp, stored: Practice, path: str, body: bytes, key: str, code: str | None, status: int
) -> None:
    first = post(app, "/patients", array(*PATIENTS[:1]), Idempotency_Key="monday")
    sync(app, "/patients", PATIENTS)
    before = stored.answers()
    answer = post(app, path, body, status=status, Idempotency_Key=key)
    if code:
        checked(answer, code, status)
    else:
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert answer.json == first.json
    assert stored.answers() == before


@pytest.mark.parametrize("key", [pytest.param("monday", id="S07-running")])
def test_a_sync_while_another_runs_is_refused_with_retry_after_and_reads_go_on(
    app: TestApp, database_url: str, key: str
) -> None:
    store = SqlStore(database_url)
    with store.transaction() as other:
        other.lock()
        answer = post(app, "/patients", array(), status=409, Idempotency_Key=key)
        assert ids(app.get("/patients")) == ["5", "6", "8"]
        other.discard()
    store.close()
    checked(answer, "sync-in-progress", 409)
    assert int(answer.headers["Retry-After"]) > 0
    post(app, "/patients", array(*PATIENTS), Idempotency_Key=key)


@pytest.mark.parametrize(("path", "rows"), catalogued({"S08": [("/payments", PATIENTS), ("/patients", PAYMENTS)]}))
def test_the_wrong_file_deletes_nothing(app: TestApp, stored: Practice, path: str, rows: list[Any]) -> None:
    before = stored.rows
    report = sync(app, path, rows)
    assert report[path[1:]]["rejected"] == len(rows)
    assert report[path[1:]]["deletionsSuspended"] == "mostly-rejected"
    assert stored.rows == before


def totals(app: TestApp) -> dict[str, str]:
    """Return the payment totals by the patients' external ids, as they are written in JSON."""
    rows = json.loads(app.get("/patients").text, parse_float=str)
    return {row["externalId"]: row["paymentTotal"] for row in rows}
