"""GET /stats, /stats/histogram and /stats/syncs."""

from datetime import UTC, datetime

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, checked, sent, sync
from builders import payment_row

PATHS = ["/stats", "/stats/histogram", "/stats/syncs"]


def test_the_figures_have_amounts_with_two_decimals(practice: TestApp) -> None:
    response = practice.get("/stats")
    last = practice.get("/syncs").json[0]["finishedAt"]
    assert response.text == (
        '{"patients":3,"payments":5,"sum":17.52,"meanPayment":3.50,"meanPatientTotal":5.84,"medianPatientTotal":0.30,'
        '"patientsWithoutPayments":1,"largestPatientTotal":17.22,"smallestPatientTotal":0.00,'
        f'"lastGoodSync":"{last}"}}'
    )


def test_an_empty_store_has_no_means_and_no_bins(app: TestApp) -> None:
    figures = app.get("/stats").json
    assert (figures["patients"], figures["meanPayment"], figures["lastGoodSync"]) == (0, None, None)
    assert app.get("/stats/histogram").text == app.get("/stats/syncs").text == "[]"


def test_the_histogram_has_bins_with_nice_bounds(practice: TestApp) -> None:
    assert practice.get("/stats/histogram?bins=2").text == (
        '[{"from":0.00,"to":10.00,"count":2,"sum":0.30},{"from":10.00,"to":20.00,"count":1,"sum":17.22}]'
    )
    assert practice.get("/stats/histogram?payment_min=0.30&payments_max=1").text == (
        '[{"from":0.30,"to":0.31,"count":1,"sum":0.30}]'
    )
    assert len(practice.get("/stats/histogram").json) == 18


def test_days_count_what_syncs_have_done_on_them(practice: TestApp) -> None:
    before = datetime.now(UTC).date()
    sync(practice, "/payments", [payment_row("501", "5", "5"), payment_row("9", "nobody")])
    found = practice.get("/stats/syncs?days=2").json
    (today,) = found[-1:]
    assert str(before) <= today["day"] <= str(datetime.now(UTC).date())
    assert sum(day["syncs"] for day in found) == 3
    assert {name: sum(day["payments"][name] for day in found) for name in today["payments"]} == {
        "created": 5,
        "updated": 1,
        "deleted": 4,
        "rejected": 1,
    }
    assert sum(day["patients"]["created"] for day in found) == 3
    assert today["totalAfter"] == {"patients": 3, "payments": 1, "sum": 5}


@pytest.mark.parametrize("path", PATHS)
def test_unchanged_figures_are_not_sent_again_and_cost_one_short_statement(practice: TestApp, path: str) -> None:
    first = practice.get(path)
    known = {"If-None-Match": first.headers["ETag"]}
    with sent() as run:
        assert practice.get(path, headers=known, status=304).body == b""
    assert len(run) == 1
    assert "payment_totals" not in run[0]
    assert practice.head(path).headers["ETag"] == first.headers["ETag"]
    sync(practice, "/payments", [*PAYMENTS[:-1]])
    assert practice.get(path, headers=known, status=200).headers["ETag"] != first.headers["ETag"]


def test_a_sync_that_changes_nothing_changes_the_figures_of_syncs_alone(practice: TestApp) -> None:
    before = [practice.get(path).headers["ETag"] for path in PATHS]
    sync(practice, "/patients", PATIENTS)
    after = [practice.get(path).headers["ETag"] for path in PATHS]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, False]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("?x=1", "x"),
        ("/histogram?bins=0", "bins"),
        ("/histogram?bins=101", "bins"),
        ("/histogram?bins=", "bins"),
        ("/histogram?bins=1e1", "bins"),
        ("/histogram?payment_min=2&payment_max=1", "payment_min"),
        ("/histogram?payment_min=x", "payment_min"),
        ("/histogram?limit=1", "limit"),
        ("/syncs?days=0", "days"),
        ("/syncs?days=367", "days"),
        ("/syncs?days", "days"),
    ],
)
def test_a_parameter_that_is_not_understood_is_named(app: TestApp, query: str, parameter: str) -> None:
    problem = checked(app.get(f"/stats{query}", status=400), "invalid-parameter", 400)
    assert problem["parameter"] == parameter
