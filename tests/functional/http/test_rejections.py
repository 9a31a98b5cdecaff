"""GET /syncs/{id}/rejections: the rows that a sync rejected, as its report lists the first of them."""

from itertools import pairwise

import pytest
from webtest import TestApp

from api import PATIENTS, checked, next_page, post, sent, sync
from builders import array, patient_row, payment_row
from keyring import Keyring, closed, using
from paymentagg.domain.access import Role

BAD = [*PATIENTS, *(patient_row(f"bad {number}", dateOfBirth="31.12.1990") for number in range(150)), 5]


def test_all_rejected_rows_are_listed_in_pages_as_in_the_report(app: TestApp) -> None:
    report = sync(app, "/patients", BAD)
    assert (len(report["errors"]), report["errorsOmitted"]) == (100, 51)
    first = app.get("/syncs/1/rejections")
    assert first.json == report["errors"]
    assert first.json[0] == {
        "model": "patient",
        "row": 4,
        "externalId": "bad 0",
        "field": "dateOfBirth",
        "code": "invalid-date",
        "message": "write the year with four digits, then the month, then the day, with hyphens: YYYY-MM-DD",
        "value": "31.12.1990",
    }
    second = app.get(next_page(first))
    assert "Link" not in second.headers
    assert [error["row"] for error in first.json + second.json] == list(range(4, 155))
    assert (second.json[-1]["externalId"], second.json[-1]["value"]) == (None, "5")


def test_they_are_filtered_by_model_and_a_page_is_one_statement(app: TestApp) -> None:
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", [payment_row("1", "5"), payment_row("2", "nobody"), payment_row("3", "5", "12,50")])
    with sent() as run:
        errors = app.get("/syncs/2/rejections?model=payment&limit=2").json
    assert len(run) == 1
    assert [(error["code"], error["value"]) for error in errors] == [
        ("unknown-patient", "nobody"),
        ("invalid-amount", "12,50"),
    ]
    assert app.get("/syncs/2/rejections?model=patient").json == []
    assert app.get("/syncs/2/rejections?model=").json == errors
    assert app.get("/syncs/1/rejections").json == []


def test_a_cursor_belongs_to_its_sync_and_its_model(app: TestApp) -> None:
    for _ in range(2):
        sync(app, "/patients", BAD)
    after = next_page(app.get("/syncs/1/rejections?limit=1")).partition("after=")[2]
    assert app.get(f"/syncs/1/rejections?after={after}&limit=1").json[0]["row"] == 5
    for path in ("/syncs/2/rejections?", "/syncs/1/rejections?model=patient&", "/syncs/1/changes?"):
        problem = checked(app.get(f"{path}after={after}", status=400), "invalid-parameter", 400)
        assert problem["parameter"] == "after"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("model=patients", "model"), ("limit=0", "limit"), ("after=x", "after"), ("kind=new", "kind")],
)
def test_a_wrong_parameter_is_named(app: TestApp, query: str, parameter: str) -> None:
    sync(app, "/patients", BAD)
    problem = checked(app.get(f"/syncs/1/rejections?{query}", status=400), "invalid-parameter", 400)
    assert problem["parameter"] == parameter


@pytest.mark.parametrize("sync_id", ["9", "0", "x", "01"])
def test_an_unknown_sync_is_not_found(app: TestApp, sync_id: str) -> None:
    sync(app, "/patients", BAD)
    checked(app.get(f"/syncs/{sync_id}/rejections", status=404), "not-found", 404)


def test_a_syncer_reads_those_of_its_own_syncs_and_a_reader_all(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    one, other, reader = (using(app, keys.key(role)) for role in (Role.SYNCER, Role.SYNCER, Role.READER))
    for client in (one, other):
        post(client, "/patients", array(*BAD))
    assert len(one.get("/syncs/1/rejections?limit=1000").json) == 151
    checked(one.get("/syncs/2/rejections", status=404), "not-found", 404)
    tag = {"If-None-Match": reader.get("/syncs/2/rejections").headers["ETag"]}
    reader.get("/syncs/2/rejections", headers=tag, status=304)
    one.get("/syncs/2/rejections", headers=tag, status=404)


def test_the_tags_of_pages_differ_and_stay(app: TestApp) -> None:
    for _ in range(2):
        sync(app, "/patients", BAD)
    paths = [f"/syncs/{number}/rejections{query}" for number in (1, 2) for query in ("", "?limit=1", "?limit=2")]
    tags = sorted(app.get(path).headers["ETag"] for path in paths)
    assert all(one != other for one, other in pairwise(tags))
    sync(app, "/patients", PATIENTS)
    assert sorted(app.get(path).headers["ETag"] for path in paths) == tags
