"""GET: the stored rows, filtered and sorted."""

import re
from urllib.parse import quote

import msgspec
import pytest
from webtest import TestApp

from api import ids, next_page, sync
from builders import patient_row, payment_row


def test_an_empty_store_has_empty_lists(app: TestApp) -> None:
    assert app.get("/patients").text == app.get("/payments").text == app.get("/syncs").text == "[]"


def test_patients_come_in_the_order_of_id_with_their_total_and_count(practice: TestApp) -> None:
    response = practice.get("/patients")
    assert response.content_type == "application/json"
    assert [row["id"] for row in response.json] == sorted(row["id"] for row in response.json)
    fields = ("externalId", "firstName", "lastName", "middleName", "dateOfBirth", "paymentTotal", "paymentCount")
    assert [tuple(row[field] for field in fields) for row in response.json] == [
        ("5", "Rick", "Deckard", None, "2094-02-01", 17.22, 3),
        ("6", "Roy", "Batty", "N6", "2094-02-01", 0.30, 2),
        ("8", "Pris", "Stratton", None, None, 0, 0),
    ]
    assert set(response.json[0]) == {"id", "created", "updated", *fields}


def test_payments_come_in_the_order_of_id_with_the_external_id_of_their_patient(practice: TestApp) -> None:
    rows = practice.get("/payments").json
    assert [(row["externalId"], row["patientId"], row["amount"]) for row in rows] == [
        ("501", "5", 4.46),
        ("502", "5", 5.66),
        ("503", "5", 7.1),
        ("601", "6", 0.1),
        ("602", "6", 0.2),
    ]
    assert set(rows[0]) == {"id", "externalId", "patientId", "amount", "created", "updated"}


def test_amounts_are_numbers_with_two_decimals(practice: TestApp) -> None:
    assert '"amount":7.10,' in practice.get("/payments").text
    assert re.findall(r'"paymentTotal":([^,}]+)', practice.get("/patients").text) == ["17.22", "0.30", "0.00"]


def test_times_are_utc_with_a_z(practice: TestApp) -> None:
    syncs = practice.get("/syncs").json
    rows = practice.get("/patients").json + practice.get("/payments").json
    times = [row[field] for row in rows for field in ("created", "updated")] + [
        row[field] for row in syncs for field in ("startedAt", "finishedAt")
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time) for time in times)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("payment_max=17.22", ["5", "6", "8"]),
        ("payments_min=0.01&payments_max=1", ["6"]),
        ("payment_min=0.01&payments_max=1", ["6"]),
        ("payment_min=-9999999999999999.99&payment_max=9999999999999999.99", ["5", "6", "8"]),
        ("payment_min=&payments_max=", ["5", "6", "8"]),
        ("payment_min=&payments_min=0.01", ["5", "6"]),
        ("payments_min=0.01&payment_min=", ["5", "6"]),
        ("payment_min", ["5", "6", "8"]),
        ("sort=-id", ["8", "6", "5"]),
        ("sort=externalId", ["5", "6", "8"]),
        ("sort=-externalId", ["8", "6", "5"]),
        ("sort=lastName", ["6", "5", "8"]),
        ("sort=-lastName", ["8", "5", "6"]),
        ("sort=paymentTotal", ["8", "6", "5"]),
        ("sort=-paymentTotal&payment_min=0.30", ["5", "6"]),
        ("q=R", ["5", "6", "8"]),
        ("q=B%C3%80TTY+ro&payment_min=0.30", ["6"]),
        ("q=r&sort=-id&payment_min=0.30", ["6", "5"]),
        ("q=&updated_since=", ["5", "6", "8"]),
        ("q=nobody", []),
        ("updated_since=2026-01-31T18:00:00%2B01:00", ["5", "6", "8"]),
        ("updated_since=9999-12-31T23:59:59Z", []),
    ],
)
def test_patients_are_filtered_and_sorted(practice: TestApp, query: str, found: list[str]) -> None:
    assert ids(practice.get(f"/patients?{query}")) == found


@pytest.mark.parametrize("path", ["/patients?q=r&", "/patients?", "/payments?", "/payments?external_id=5&"])
def test_the_number_of_all_rows_is_a_header_of_every_page_if_it_is_asked_for(practice: TestApp, path: str) -> None:
    assert "X-Total-Count" not in practice.get(path).headers
    first = practice.get(f"{path}count=exact&limit=2")
    assert first.headers["X-Total-Count"] == "3" if path != "/payments?" else "5"
    second = practice.get(next_page(first))
    assert second.headers["X-Total-Count"] == first.headers["X-Total-Count"]
    assert ids(second) == ids(practice.get(next_page(first).replace("count=exact&", "")))
    head = practice.head(f"{path}count=exact&limit=2")
    assert head.headers["X-Total-Count"] == first.headers["X-Total-Count"]
    practice.get(f"{path}count=exact", headers={"Accept": "text/csv"}, status=400)


@pytest.mark.parametrize(
    "query",
    [
        *("q=%20", "q=%CC%81", f"q={'x' * 101}", "q=a%0ab", "count=", "count", "count=true", "count=estimated"),
        *("updated_since=2026-01-31", "updated_since=2026-01-31T18:00:00"),
    ],
)
def test_a_search_that_would_find_everybody_and_a_time_without_a_zone_are_refused(
    practice: TestApp, query: str
) -> None:
    problem = practice.get(f"/patients?{query}", status=400).json
    assert problem["parameter"] == query.partition("=")[0]


def test_an_export_has_the_rows_that_a_search_finds(practice: TestApp) -> None:
    lines = practice.get("/patients?q=batty", headers={"Accept": "application/x-ndjson"}).text.splitlines()
    assert [msgspec.json.decode(line)["externalId"] for line in lines] == ["6"]
    csv = practice.get("/payments?updated_since=9999-01-01T00:00:00Z", headers={"Accept": "text/csv"}).text
    assert len(csv.splitlines()) == 1


@pytest.mark.parametrize(
    ("external_id", "found"),
    [("5", 3), ("6", 2), ("8", 0), ("", 5)],
)
def test_payments_are_those_of_one_patient(practice: TestApp, external_id: str, found: int) -> None:
    assert len(practice.get(f"/payments?external_id={quote(external_id)}").json) == found


def test_a_percent_sign_at_the_end_of_a_value_stands_for_itself(practice: TestApp) -> None:
    assert practice.get("/payments?external_id=%").json == []


@pytest.mark.parametrize("external_id", ["5", "a/b", "/", "a//b/", "50%", "é ü", "?#;&+", "..%2f"])
def test_one_patient_is_read_by_the_percent_encoded_id(app: TestApp, external_id: str) -> None:
    sync(app, "/patients", [patient_row(external_id), patient_row("other")])
    sync(app, "/payments", [payment_row("1", external_id, "7.1")])
    response = app.get(f"/patients/{quote(external_id, safe='')}")
    assert response.json["externalId"] == external_id
    assert '"paymentTotal":7.10,"paymentCount":1' in response.text


@pytest.mark.parametrize(
    "path", ["/patients/nobody", "/patients/", "/patients/05", "/patients/%00", "/patients/5%0a", "/patients%0a"]
)
def test_a_patient_that_is_not_there_is_not_found(practice: TestApp, path: str) -> None:
    assert practice.get(path, status=404).json["type"].endswith("not-found")


def test_a_patient_id_that_is_too_long_is_not_found(practice: TestApp) -> None:
    practice.get(f"/patients/{'x' * 251}", status=404)


@pytest.mark.parametrize(
    "path",
    ["/syncs/9", "/syncs/0", "/syncs/01", "/syncs/-1", "/syncs/x", f"/syncs/{'9' * 30}", "/syncs/1/2", "/syncs/"],
)
def test_a_sync_that_is_not_there_is_not_found(practice: TestApp, path: str) -> None:
    practice.get(path, status=404)
