"""GET /syncs/{id}/changes, /history and /payments/{externalId}: what syncs have changed, and one payment."""

import re

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, checked, ids, next_page, sent, sync
from builders import patient_row, payment_row

NEW_PATIENTS = [PATIENTS[0], patient_row("6", firstName="Roy", lastName="Batty"), patient_row("9/a", dateOfBirth=None)]
NEW_PAYMENTS = [payment_row("501", "5", "4.5"), payment_row("502", "6", "5.66"), payment_row("9", "6", 3)]


@pytest.fixture
def changed(practice: TestApp) -> TestApp:
    """The practice after a third sync of patients and a fourth of payments."""
    sync(practice, "/patients", NEW_PATIENTS)
    sync(practice, "/payments", NEW_PAYMENTS)
    return practice


def test_each_change_has_the_fields_before_and_after(changed: TestApp) -> None:
    started = changed.get("/syncs/4").json["startedAt"]
    stored = changed.get("/payments/501")
    first = changed.get("/syncs/4/changes").json[0]
    assert first == {
        "sync": 4,
        "at": started,
        "model": "payment",
        "kind": "updated",
        "id": stored.json["id"],
        "externalId": "501",
        "before": {"externalId": "501", "patientId": "5", "amount": 4.46},
        "after": {"externalId": "501", "patientId": "5", "amount": 4.50},
    }
    assert '"amount":4.50' in changed.get("/syncs/4/changes").text
    assert started == stored.json["updated"]


def test_the_changes_of_a_sync_are_those_that_its_report_counts(changed: TestApp) -> None:
    for number in (1, 2, 3, 4):
        report = changed.get(f"/syncs/{number}").json
        for model in ("patient", "payment"):
            for kind in ("created", "updated", "deleted"):
                found = changed.get(f"/syncs/{number}/changes?model={model}&kind={kind}").json
                assert len(found) == report.get(f"{model}s", {}).get(kind, 0)
                assert {(change["model"], change["kind"]) for change in found} <= {(model, kind)}


def test_created_and_deleted_rows_have_one_side(changed: TestApp) -> None:
    deleted, created = (changed.get(f"/syncs/3/changes?kind={kind}").json for kind in ("deleted", "created"))
    row = {"externalId": "8", "firstName": "Pris", "lastName": "Stratton", "middleName": None, "dateOfBirth": None}
    assert [(change["before"], change["after"]) for change in deleted] == [(row, None)]
    assert [(change["before"], change["after"]["externalId"]) for change in created] == [(None, "9/a")]


@pytest.mark.parametrize("path", ["/syncs/4/changes", "/history?patient=6", "/syncs/1/changes?kind=created&model="])
def test_links_lead_through_all_changes(changed: TestApp, path: str) -> None:
    everything = changed.get(path).json
    assert len(everything) >= 3
    response, seen = changed.get(f"{path}{'&' if '?' in path else '?'}limit=1"), []
    while "Link" in response.headers:
        seen += response.json
        response = changed.get(next_page(response))
    assert seen + response.json == everything


@pytest.mark.parametrize("path", ["/syncs/4/changes", "/syncs/1/changes?kind=created", "/history?patient=5"])
def test_a_page_is_one_statement(changed: TestApp, path: str) -> None:
    with sent() as run:
        assert changed.get(path).json
    assert len(run) == 1


def test_the_history_of_a_patient_has_their_payments_and_the_newest_change_first(changed: TestApp) -> None:
    sync(changed, "/patients", NEW_PATIENTS[:1])
    found = changed.get("/history?patient=6").json
    assert [(each["sync"], each["model"], each["kind"], each["externalId"]) for each in found] == [
        (5, "patient", "deleted", "6"),
        (5, "payment", "deleted", "502"),
        (5, "payment", "deleted", "9"),
        (4, "payment", "updated", "502"),
        (4, "payment", "deleted", "601"),
        (4, "payment", "deleted", "602"),
        (3, "patient", "updated", "6"),
    ]
    assert [each["sync"] for each in changed.get("/history?payment=502").json] == [5, 4]
    assert changed.get("/history?patient=nobody").json == []


@pytest.mark.parametrize("path", ["/syncs/99/changes", "/syncs/0/changes", "/syncs/x/changes", "/payments/nothing"])
def test_what_is_not_there_is_not_found(practice: TestApp, path: str) -> None:
    checked(practice.get(path, status=404), "not-found", 404)


def test_one_payment_is_what_the_list_shows_whatever_its_id(app: TestApp) -> None:
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", [*PAYMENTS, payment_row("a/b c", "5", "7.1")])
    for path, external_id in (("/payments/a%2Fb%20c", "a/b c"), ("/payments/501", "501")):
        assert [app.get(path).json] == [row for row in app.get("/payments").json if row["externalId"] == external_id]
    assert ids(app.get("/payments")) == ["501", "502", "503", "601", "602", "a/b c"]
    assert re.search(r'"amount":7\.10,', app.get("/payments/a%2Fb%20c").text)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/history", "patient"),
        ("/history?patient=", "patient"),
        ("/history?limit=5", "patient"),
        ("/history?patient=5&payment=501", "payment"),
        ("/history?patient=5&patient=6", "patient"),
        ("/history?patient=%00", "patient"),
        ("/history?external_id=5", "external_id"),
        ("/syncs/1/changes?model=patients", "model"),
        ("/syncs/1/changes?kind=new", "kind"),
        ("/syncs/1/changes?limit=0", "limit"),
        ("/syncs/1/changes?after=x", "after"),
        ("/payments/501?x=1", "x"),
    ],
)
def test_a_wrong_parameter_is_named(practice: TestApp, path: str, parameter: str) -> None:
    assert checked(practice.get(path, status=400), "invalid-parameter", 400)["parameter"] == parameter


def test_a_cursor_belongs_to_its_sync_and_its_filter(changed: TestApp) -> None:
    after = next_page(changed.get("/syncs/4/changes?limit=1")).partition("after=")[2]
    for path in ("/syncs/3/changes?", "/syncs/4/changes?model=payment&", "/history?patient=5&"):
        assert (
            checked(changed.get(f"{path}after={after}", status=400), "invalid-parameter", 400)["parameter"] == "after"
        )
