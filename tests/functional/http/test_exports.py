"""Exports: the whole result as NDJSON or CSV, and the negotiation of the media type."""

import csv
import io
import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp

from api import NDJSON, PRIVATE, checked, post, sync
from builders import patient_row, payment_row
from paymentagg.adapters.audit_file import NoAudit
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.queries import PatientQuery, PatientView
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller
from paymentagg.entrypoints.http import exports, responses, row_formats
from paymentagg.entrypoints.http.concurrency import EXPORTS

AS_NDJSON = {"Accept": "application/x-ndjson"}
AS_CSV = {"Accept": "text/csv"}


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_an_ndjson_export_can_be_posted_back_and_changes_nothing(practice: TestApp, path: str) -> None:
    export = practice.get(path, headers=AS_NDJSON)
    assert export.content_type == "application/x-ndjson"
    assert [json.loads(line) for line in export.text.splitlines()] == practice.get(path).json
    report = post(practice, path, export.body, NDJSON).json
    counts = report[path[1:]]
    assert counts["unchanged"] == counts["rows"] == len(export.text.splitlines())
    assert practice.get(path, headers=AS_NDJSON).body == export.body


def test_an_export_is_whole_filtered_and_in_order(app: TestApp) -> None:
    sync(app, "/patients", [patient_row(str(number)) for number in range(2500)])
    assert len(app.get("/patients", headers=AS_NDJSON).text.splitlines()) == 2500
    assert app.get("/patients?payment_min=1", headers=AS_NDJSON).body == b""
    last = app.get("/patients?sort=-id", headers=AS_NDJSON).text.splitlines()[-1]
    assert json.loads(last)["externalId"] == "0"


@pytest.mark.parametrize("headers", [AS_NDJSON, AS_CSV])
@pytest.mark.parametrize("parameter", ["limit=5", "after=x"])
@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_an_export_has_no_pages(app: TestApp, path: str, parameter: str, headers: dict[str, str]) -> None:
    problem = app.get(f"{path}?{parameter}", headers=headers, status=400).json
    assert problem["parameter"] == parameter.partition("=")[0]


def test_csv_has_the_json_names_as_header_and_exact_amounts(practice: TestApp) -> None:
    response = practice.get("/payments", headers=AS_CSV)
    assert response.content_type == "text/csv"
    lines = response.text.split("\r\n")
    assert lines[0] == "id,externalId,patientId,amount,created,updated"
    assert lines[3].startswith("3,503,5,7.10,")
    assert lines[-1] == ""
    table = list(csv.DictReader(io.StringIO(practice.get("/patients", headers=AS_CSV).text, newline="")))
    assert [row["paymentTotal"] for row in table] == ["17.22", "0.30", "0.00"]
    assert (table[2]["middleName"], table[2]["dateOfBirth"]) == ("", "")
    assert table[0]["created"] == practice.get("/patients").json[0]["created"]


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_an_export_has_the_name_of_a_file_and_a_page_has_none(practice: TestApp, path: str) -> None:
    for headers, ending in (AS_CSV, "csv"), (AS_NDJSON, "ndjson"):
        for response in (practice.get(path, headers=headers), practice.head(path, headers=headers)):
            assert response.headers["Content-Disposition"] == f'attachment; filename="{path[1:]}.{ending}"'
    assert "Content-Disposition" not in practice.get(path).headers


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_csv_begins_with_a_byte_order_mark_where_that_is_asked_for(practice: TestApp, path: str) -> None:
    plain = practice.get(f"{path}?bom=false", headers=AS_CSV).body
    assert plain == practice.get(path, headers=AS_CSV).body
    assert practice.get(f"{path}?bom=true", headers=AS_CSV).body == b"\xef\xbb\xbf" + plain
    for headers in ({}, AS_NDJSON):
        problem = checked(practice.get(f"{path}?bom=true", headers=headers, status=400), "invalid-parameter", 400)
        assert problem["parameter"] == "bom"
    assert "known parameter" in practice.get("/syncs?bom=true", status=400).json["detail"]


def test_csv_quotes_what_needs_it_and_disarms_formulas(app: TestApp) -> None:
    row = patient_row("@1", firstName='=HYPERLINK("x")', lastName="Tyrell, Eldon", middleName="-2+3")
    sync(app, "/patients", [row, patient_row("2", firstName="A-B", lastName="+1")])
    sync(app, "/payments", [payment_row("=9", "2", "-5.00")])
    text = app.get("/patients", headers=AS_CSV).text
    assert text.splitlines()[1].split(",", 1)[1].startswith("""'@1,"'=HYPERLINK(""x"")","Tyrell, Eldon",'-2+3,""")
    assert "2,A-B,'+1," in text
    assert "'=9,2,-5.00," in app.get("/payments", headers=AS_CSV).text


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(1)", '"=1+1"', '""=1+1', ' "=1+1', ";=1+1", '"a";=1'])
def test_no_cell_begins_a_formula_where_a_spreadsheet_splits_at_semicolons(
    app: TestApp, evil: str, separator: str
) -> None:
    sync(app, "/patients", [patient_row("1", firstName=f"a;{evil}", middleName=f'"b;{evil}', lastName=f"c;d;{evil};e")])
    sync(app, "/payments", [payment_row(f"7;{evil}", "1", "-5.00")])

    for path in ("/patients", "/payments"):
        text = app.get(path, headers=AS_CSV).text
        cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
        assert [cell for cell in cells if cell.strip().startswith(("=", "+", "-", "@")) and cell != "-5.00"] == []


def test_a_semicolon_is_kept_where_no_formula_follows(app: TestApp) -> None:
    sync(app, "/patients", [patient_row("1;2", firstName="Anne; Jean-Luc", lastName="a;b-c; d")])

    assert app.get("/patients", headers=AS_CSV).text.splitlines()[1].startswith("1,1;2,Anne; Jean-Luc,a;b-c; d,")


def test_a_tab_separates_cells_too() -> None:
    assert row_formats._cell("a\t=1\t\t@b") == "a\t'=1\t'\t'@b"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("application/x-ndjson;q=0.9, text/csv;q=0.8", "application/x-ndjson"),
        ("TEXT/CSV", "text/csv"),
        ("", "application/json"),
        ("application/json;charset=UTF-8", "application/json"),
        ("application/json; version=2", "application/json"),
        ("text/csv; header=present; q=0.9, application/json;indent=4;q=0.5", "text/csv"),
        ('application/json;profile="a,b;q=0";q=0.1, text/csv', "text/csv"),
        ("application/json" + ',"' * 5000, "application/json"),
    ],
)
def test_the_client_says_which_media_type_it_likes(practice: TestApp, accept: str, media: str) -> None:
    assert practice.get("/payments", headers={"Accept": accept}).content_type == media


@pytest.mark.parametrize("path", ["/patients", "/payments", "/patients/5", "/syncs", "/syncs/1"])
def test_a_media_type_that_is_not_offered_is_not_acceptable(practice: TestApp, path: str) -> None:
    problem = practice.get(path, headers={"Accept": "text/html"}, status=406).json
    assert problem["type"].endswith("not-acceptable")
    if path not in ("/patients", "/payments"):
        practice.get(path, headers=AS_CSV, status=406)


class WatchedExport:
    """An export of empty batches that fails at one of them, and records what was called."""

    version = "1"

    def __init__(self, fails_at: int = 0, error: Exception | None = None) -> None:
        self.fails_at = fails_at
        self.error = error
        self.batches_read = 0
        self.turn_taken = False
        self.closed = False

    def patients(self, _query: PatientQuery) -> Iterator[list[PatientView]]:
        for _ in range(10):
            self.batches_read += 1
            if self.error and self.batches_read == self.fails_at:
                raise self.error
            yield []

    def take_turn(self) -> Callable[[], None]:
        self.turn_taken = True
        return self.end_turn

    def end_turn(self) -> None:
        self.turn_taken = False

    def close(self) -> None:
        self.closed = True


def answer(export: WatchedExport, method: str = "GET") -> Any:
    """Return the body of the response, as the iterator that a WSGI server gets."""
    with Configurator(settings={}) as config:
        config.include(responses)
    request = Request.blank("/patients", method=method)
    request.registry = config.registry
    request.open_export = lambda: export
    request.take_export_slot = export.take_turn
    request.id = "an-id"
    request.trail = AuditTrail(NoAudit(), request.id, lambda: Caller(None, None, None, None, None, []))
    request.practice = None
    response = exports.exported(request, "text/csv", PatientView, lambda export: export.patients(PatientQuery()))
    return response(request.environ, lambda *_: None)


def test_an_export_is_closed_when_the_client_leaves() -> None:
    export = WatchedExport()
    body = answer(export)
    assert next(body).startswith(b"id,externalId,")
    next(body)
    assert export.turn_taken
    body.close()
    assert (export.batches_read, export.turn_taken, export.closed) == (2, False, True)


@pytest.mark.parametrize("headers", [AS_NDJSON, AS_CSV])
def test_an_export_that_was_left_keeps_no_old_state(app: TestApp, headers: dict[str, str]) -> None:
    for left in range(3):
        sync(app, "/patients", [patient_row(str(number)) for number in range(2_500)])
        body = Request.blank("/patients", headers=headers).get_response(app.app).app_iter
        next(body)
        body.close()  # which is still referred to: the connection must be usable nevertheless
        sync(app, "/patients", [patient_row("1", firstName=str(left))])
        assert [row["firstName"] for row in app.get("/patients").json] == [str(left)]


def test_head_of_an_export_reads_no_rows_and_closes_it() -> None:
    export = WatchedExport()
    answer(export, "HEAD").close()
    assert (export.batches_read, export.closed) == (0, True)


def test_an_export_that_cannot_begin_is_an_error_like_others_and_closed() -> None:
    for batch in (1, 2):
        export = WatchedExport(batch, StorageUnavailable("it is gone"))
        with pytest.raises(StorageUnavailable):
            answer(export)
        assert export.closed


def test_large_exports_leave_threads_to_others(practice: TestApp) -> None:
    sync(practice, "/patients", [patient_row(str(number)) for number in range(1_500)])
    asked = Request.blank("/patients", headers=AS_NDJSON)
    running = [asked.get_response(practice.app) for _ in range(EXPORTS)]
    problem = checked(practice.get("/patients", headers=AS_NDJSON, status=429), "too-many-requests", 429)
    assert "large exports" in problem["detail"]
    assert practice.get("/payments", headers=AS_NDJSON).text  # the limit is for large exports only
    assert practice.get("/patients?limit=1").headers["Link"]
    running[0].app_iter.close()
    assert practice.get("/patients", headers=AS_NDJSON).text.count("\n") == 1_500
    for response in running[1:]:
        response.app_iter.close()


def test_an_export_that_breaks_off_does_not_end_like_a_whole_one_and_does_not_show_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = answer(WatchedExport(3, RuntimeError(PRIVATE)))
    with pytest.raises(exports.ExportAborted) as broken:
        list(body)
    assert str(broken.value) in caplog.text
    assert PRIVATE not in caplog.text + "".join(traceback.format_exception(broken.value))
