"""POST /snapshot: both models in one form."""

import pytest
from webtest import TestApp

from api import JSON, MULTIPART, NDJSON, code, multipart, part, post, stored
from builders import array, gzipped, ndjson, patient_row, payment_row

PATIENTS = array(patient_row("5"), patient_row("6"))
PAYMENTS = array(payment_row("501", "5", "4.46"), payment_row("601", "6", "7.10"))


@pytest.mark.parametrize("turn", [1, -1])
def test_both_models_come_in_one_form_patients_first(app: TestApp, turn: int) -> None:
    parts = [part("patients", PATIENTS), part("payments", PAYMENTS)][::turn]
    report = post(app, "/snapshot", multipart(*parts), MULTIPART).json
    assert (report["patients"]["created"], report["payments"]["created"]) == (2, 2)
    assert stored(app) == (2, 2)
    assert len(app.get("/syncs").json) == 1


def test_a_form_may_have_one_part_only(app: TestApp) -> None:
    assert "payments" not in post(app, "/snapshot", multipart(part("patients", PATIENTS)), MULTIPART).json
    assert "patients" not in post(app, "/snapshot", multipart(part("payments", PAYMENTS)), MULTIPART).json
    assert stored(app) == (2, 2)


def test_a_form_as_browsers_send_it_is_taken(app: TestApp) -> None:
    app.post("/snapshot", upload_files=[("patients", "p.json", PATIENTS), ("payments", "p.json.gz", gzipped(PAYMENTS))])
    assert stored(app) == (2, 2)


@pytest.mark.parametrize("filename", ["rows", None])
@pytest.mark.parametrize("media", [None, "application/octet-stream", "application/gzip", "text/plain; charset=utf-8"])
@pytest.mark.parametrize("body", [PATIENTS, ndjson(patient_row("5"), patient_row("6"))], ids=["array", "lines"])
def test_a_part_of_a_generic_type_is_recognised_by_content(
    app: TestApp, body: bytes, media: str | None, filename: str | None
) -> None:
    for sent in (body, gzipped(body)):
        post(app, "/snapshot", multipart(part("patients", sent, media, filename)), MULTIPART)
    assert stored(app) == (2, 0)


def test_a_part_must_be_of_the_type_it_says(app: TestApp) -> None:
    lines = ndjson(patient_row("5"))
    post(app, "/snapshot", multipart(part("patients", lines, NDJSON)), MULTIPART)
    for media, body in ((JSON, lines), (NDJSON, PATIENTS)):
        response = post(app, "/snapshot", multipart(part("patients", body, media)), MULTIPART, status=400)
        assert code(response) == "invalid-snapshot"


@pytest.mark.parametrize(
    ("parts", "parameter"),
    [
        ([part("patients", PATIENTS), part("patients", PATIENTS)], "patients"),
        ([part("patients", PATIENTS), part("patient", PATIENTS)], "patient"),
        ([part("", PATIENTS)], ""),
        ([], "patients"),
    ],
    ids=["repeated", "unknown", "without a name", "none"],
)
def test_a_part_that_is_not_understood_is_named(app: TestApp, parts: list[bytes], parameter: str) -> None:
    problem = post(app, "/snapshot", multipart(*parts), MULTIPART, status=400).json
    assert (problem["type"].rpartition(":")[2], problem["parameter"]) == ("invalid-parameter", parameter)
    assert stored(app) == (0, 0)


WHOLE = multipart(part("patients", PATIENTS), part("payments", PAYMENTS))


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", MULTIPART),
        (WHOLE[:-6], MULTIPART),
        (WHOLE[: len(WHOLE) // 2], MULTIPART),
        (PATIENTS, MULTIPART),
        (WHOLE, "multipart/form-data"),
        (WHOLE, "multipart/form-data; boundary="),
        (WHOLE, "multipart/form-data; boundary=another"),
        (WHOLE.replace(b"form-data", b"attachment"), MULTIPART),
        (WHOLE.replace(b"Content-Type", b"X" * 9000), MULTIPART),
        (WHOLE.replace(b"rows.json", b"\xff"), MULTIPART),
    ],
)
def test_a_broken_form_is_an_invalid_snapshot(app: TestApp, body: bytes, media: str) -> None:
    assert code(post(app, "/snapshot", body, media, status=400)) == "invalid-snapshot"
    assert stored(app) == (0, 0)


def test_both_models_are_synced_or_none(app: TestApp) -> None:
    body = multipart(part("patients", PATIENTS), part("payments", PAYMENTS[:-1]))
    assert code(post(app, "/snapshot", body, MULTIPART, status=400)) == "invalid-snapshot"
    assert stored(app) == (0, 0)
