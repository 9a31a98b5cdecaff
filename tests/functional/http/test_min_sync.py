"""The parameter ``min_sync`` of all reads of data, where there is no replica."""

import pytest
from webtest import TestApp

from api import NDJSON, PATIENTS, checked, ids, next_page, sent, sync
from paymentagg.entrypoints.http.parameters.schemas import ONE
from paymentagg.entrypoints.http.routes import ROUTES

READS = [
    *("/patients", "/patients/5", "/payments", "/payments/501", "/syncs", "/syncs/1", "/syncs/1/changes"),
    *("/syncs/1/rejections", "/history?patient=5", "/stats", "/stats/histogram", "/stats/syncs"),
]


def with_sync(path: str, sync: int | str) -> str:
    """Return the path with the parameter."""
    return f"{path}{'&' if '?' in path else '?'}min_sync={sync}"


def test_these_are_all_reads_of_data() -> None:
    patterns = [path for path, methods in ROUTES.items() if "GET" in methods]
    assert len(READS) == len([path for path in patterns if not path.startswith(("/openapi", "/health", "/metrics"))])


@pytest.mark.parametrize("path", READS)
def test_every_read_of_data_takes_a_sync_that_is_done_and_costs_one_statement_more(
    practice: TestApp, path: str
) -> None:
    with sent() as without:
        expected = practice.get(path)
    with sent() as with_it:
        answer = practice.get(with_sync(path, 2))
    assert answer.body == expected.body
    assert len(with_it) == len(without) + 1


@pytest.mark.parametrize("path", READS)
def test_a_sync_that_there_isnt_is_refused_so_that_no_answer_lacks_it(practice: TestApp, path: str) -> None:
    problem = checked(practice.get(with_sync(path, 3), status=400), "invalid-parameter", 400)
    assert problem["parameter"] == "min_sync"
    assert "there is no sync 3 yet" in problem["detail"]


@pytest.mark.parametrize("text", ["", "0", "-1", "07", "1.0", "x", "9" * 19, "%31%30%"])
def test_another_value_is_refused(practice: TestApp, text: str) -> None:
    problem = checked(practice.get(with_sync("/patients", text), status=400), "invalid-parameter", 400)
    assert problem["parameter"] == "min_sync"


def test_it_is_found_however_it_is_encoded(practice: TestApp) -> None:
    practice.get("/patients?min%5Fsync=%33", status=400)
    practice.get("/patients?min%5Fsync=%32")


def test_before_the_first_sync_there_is_none(app: TestApp) -> None:
    app.get("/patients?min_sync=1", status=400)
    assert app.get("/patients").json == []


def test_the_id_in_the_report_of_a_sync_is_always_right(app: TestApp) -> None:
    for query in ("", "", "?dry_run=true", ""):
        report = sync(app, "/patients", PATIENTS, query)
        if report["id"] is not None:
            assert ids(app.get(with_sync("/patients", report["id"]))) == ["5", "6", "8"]


@pytest.mark.parametrize("media", [NDJSON, "text/csv"])
def test_an_export_takes_it_too(practice: TestApp, media: str) -> None:
    headers = {"Accept": media}
    assert practice.get("/patients?min_sync=2", headers=headers).body == practice.get("/patients", headers=headers).body
    practice.get("/patients?min_sync=3", headers=headers, status=400)


def test_an_entity_tag_doesnt_depend_on_it(practice: TestApp) -> None:
    tag = practice.get("/patients?limit=2&min_sync=1").headers["ETag"]
    assert tag == practice.get("/patients?limit=2").headers["ETag"]
    practice.get("/patients?limit=2&min_sync=2", headers={"If-None-Match": tag}, status=304)
    practice.get("/patients?limit=2&min_sync=3", headers={"If-None-Match": tag}, status=400)


def test_the_link_to_the_next_page_keeps_it_and_its_cursor_is_that_of_pages_without_it(practice: TestApp) -> None:
    link = next_page(practice.get("/patients?limit=2&min_sync=2"))
    assert "min_sync=2" in link
    assert ids(practice.get(link)) == ["8"]
    assert ids(practice.get(link.replace("&min_sync=2", ""))) == ["8"]


def test_no_other_resource_takes_it(practice: TestApp) -> None:
    assert "min_sync" in {node.name for node in ONE.children}
    practice.get("/openapi.json?min_sync=1", status=400)
    practice.post("/patients?min_sync=1", status=400)
    practice.get("/ui?min_sync=1", status=400)
