"""The same Idempotency-Key with the same rows and parameters is one sync."""

import gzip
from typing import Any

import pytest
from webtest import TestApp

from api import JSON, MULTIPART, NDJSON, checked, multipart, part, post
from builders import array, gzipped, ndjson, patient_row

ROWS = (patient_row("5"), patient_row("6"))
BODY = array(*ROWS)
TERMS = "strict=true&max_delete=50%25&taken_at=2025-01-31T18:00:00Z"


def sent(app: TestApp, path: str, body: bytes = BODY, media: str = JSON, status: int = 200, **headers: str) -> Any:
    return post(app, path, body, media, status=status, Idempotency_Key="monday", **headers)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("/patients", "/patients"),
        ("/patients", "/patients?strict=false"),
        ("/patients", "/patients?dry_run=false"),
        (f"/patients?{TERMS}", f"/patients?{TERMS}"),
        (f"/patients?{TERMS}", "/patients?taken_at=2025-01-31T19:00:00.000%2B01:00&max_delete=50.0%25&strict=true"),
    ],
)
def test_the_same_parameters_however_they_are_written_are_the_same_sync(app: TestApp, first: str, again: str) -> None:
    done = sent(app, first)
    replayed = sent(app, again)
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert replayed.json == done.json
    assert len(app.get("/syncs").json) == 1


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("/patients", "/patients?strict=true"),
        ("/patients", "/patients?max_delete=20%25"),
        ("/patients?max_delete=50%25", "/patients?max_delete=50"),
        ("/patients?max_delete=0", "/patients"),
        ("/patients", "/patients?taken_at=2025-01-31T18:00:00Z"),
        ("/patients?taken_at=2025-01-31T18:00:00Z", "/patients?taken_at=2025-01-31T18:00:00.000001Z"),
        ("/patients", "/payments"),
    ],
)
def test_other_parameters_or_another_model_are_refused(app: TestApp, first: str, other: str) -> None:
    sent(app, first)
    checked(sent(app, other, status=422), "idempotency-mismatch", 422)
    assert len(app.get("/syncs").json) == 1


def test_another_path_with_the_same_rows_is_refused(app: TestApp) -> None:
    sent(app, "/patients")
    body = multipart(part("patients", BODY))
    checked(sent(app, "/snapshot", body, MULTIPART, status=422), "idempotency-mismatch", 422)


@pytest.mark.parametrize(
    ("first", "again"),
    [(BODY, gzipped(BODY)), (gzipped(BODY), BODY), (gzip.compress(BODY, 1), gzipped(BODY[:9]) + gzipped(BODY[9:]))],
)
def test_the_same_rows_gzipped_or_not_are_the_same_body(app: TestApp, first: bytes, again: bytes) -> None:
    done = sent(app, "/patients", first)
    for encoding in ["identity"] if again == BODY else ["identity", "gzip"]:
        replayed = sent(app, "/patients", again, Content_Encoding=encoding)
        assert replayed.headers["Idempotent-Replayed"] == "true"
        assert replayed.json == done.json


def test_the_same_rows_in_the_other_form_are_another_body(app: TestApp) -> None:
    sent(app, "/patients")
    checked(sent(app, "/patients", ndjson(*ROWS), NDJSON, status=422), "idempotency-mismatch", 422)


def test_a_gzipped_body_that_is_damaged_is_refused_as_such(app: TestApp) -> None:
    sent(app, "/patients")
    checked(sent(app, "/patients", gzipped(BODY)[:-1], status=400), "invalid-snapshot", 400)


def test_a_dry_run_is_neither_stored_nor_replayed(app: TestApp) -> None:
    rehearsed = sent(app, "/patients?dry_run=true")
    done = sent(app, "/patients")
    again = sent(app, "/patients?dry_run=true")
    other = sent(app, "/patients?dry_run=true", array())
    for answer in (rehearsed, done, again, other):
        assert "Idempotent-Replayed" not in answer.headers
    assert [answer.json["patients"]["created"] for answer in (rehearsed, done, again)] == [2, 2, 0]
    assert again.json["dryRun"] is True
    assert other.json["patients"]["deleted"] == 2
    assert sent(app, "/patients").json == done.json
