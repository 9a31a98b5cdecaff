"""Pages: limits, links and cursors."""

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, ids, next_page, sync
from builders import patient_row, payment_row


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_a_page_has_a_hundred_rows_unless_the_limit_says_otherwise(app: TestApp, path: str) -> None:
    sync(app, "/patients", [patient_row(str(number)) for number in range(1001)])
    sync(app, "/payments", [payment_row(str(number), "7") for number in range(1001)])
    first = app.get(path)
    assert len(first.json) == 100
    assert len(app.get(f"{path}?limit=1000").json) == 1000
    assert app.get(next_page(first)).json[0]["id"] == first.json[-1]["id"] + 1


@pytest.mark.parametrize(
    "sort", [sign + key for key in ("id", "externalId", "lastName", "paymentTotal") for sign in ("", "-")]
)
def test_following_the_links_shows_each_row_once_in_order(app: TestApp, sort: str) -> None:
    names = ["Ångström", "a", "A", "Z", "日本", "𝔉", "Z"]
    sync(app, "/patients", [patient_row(f"{number}+/&=é", lastName=name) for number, name in enumerate(names)])
    sync(
        app,
        "/payments",
        [payment_row(str(n), f"{n}+/&=é", amount) for n, amount in enumerate(["-1", "2", "2", "2.50"])],
    )
    everybody = ids(app.get(f"/patients?payments_min=-5&sort={sort}"))
    assert len(everybody) == len(names)
    response, seen = app.get(f"/patients?payments_min=-5&limit=2&sort={sort}"), []
    while "Link" in response.headers:
        assert "payments_min=-5&limit=2&sort=" in next_page(response)
        seen += ids(response)
        response = app.get(next_page(response))
    assert seen + ids(response) == everybody


def test_payments_of_a_patient_are_paged_too(practice: TestApp) -> None:
    first = practice.get("/payments?external_id=5&limit=2")
    second = practice.get(next_page(first))
    assert ids(first) + ids(second) == ["501", "502", "503"]
    assert "Link" not in second.headers


def test_syncs_are_the_reports_newest_first(app: TestApp) -> None:
    reports = [sync(app, "/patients", PATIENTS), sync(app, "/payments", PAYMENTS), sync(app, "/patients", [])]
    assert app.get("/syncs").json == reports[::-1]
    first = app.get("/syncs?limit=2")
    assert first.json + app.get(next_page(first)).json == reports[::-1]
    assert [app.get(f"/syncs/{report['id']}").json for report in reports] == reports
