"""Exports as XLSX: the rows of the CSV export with real types, and CSV where there are too many rows."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from webtest import TestApp, TestResponse

from api import NDJSON, XLSX, checked, post, sync
from builders import ndjson, patient_row, payment_row
from keyring import Keyring, closed, using
from paymentagg.adapters.audit_file import NoAudit
from paymentagg.app import main
from paymentagg.domain.access import Role
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller
from paymentagg.entrypoints.http import exports, responses
from paymentagg.entrypoints.spreadsheet import MAX_ROWS, Column

AS_CSV = {"Accept": "text/csv"}
AS_XLSX = {"Accept": XLSX}
TOO_OLD = ("http-version-not-supported", 505)
NOTICE = "more than 100000 rows, so this is CSV instead of XLSX"


def table(response: TestResponse) -> list[tuple[Any, ...]]:
    """Return the rows of a spreadsheet, its header included, after checking that it is one."""
    assert response.content_type == XLSX
    assert response.charset is None
    book = openpyxl.load_workbook(io.BytesIO(response.body))
    (sheet,) = book.worksheets
    return list(sheet.values)


def as_in_csv(value: object) -> str:
    """Return the value of a cell as CSV has it; times without their fractions."""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        midnight = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if midnight else value.isoformat()[:16]
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    "path",
    [
        "/patients",
        "/payments",
        "/patients?payment_min=0.30&sort=-lastName",
        "/patients?q=batt",
        "/payments?external_id=5",
    ],
)
def test_a_spreadsheet_has_the_rows_of_the_csv_export(practice: TestApp, path: str) -> None:
    header, *rows = table(practice.get(path, headers=AS_XLSX))
    expected, *lines = csv.reader(io.StringIO(practice.get(path, headers=AS_CSV).text, newline=""))
    times = ("created", "updated")
    assert header == tuple(f"{name} (UTC)" if name in times else name for name in expected)
    assert rows
    for row, line in zip(rows, lines, strict=True):
        for name, value, text in zip(expected, row, line, strict=True):
            assert as_in_csv(value) == (text[:16] if name in times else text)


def test_cells_have_the_types_of_their_values(app: TestApp) -> None:
    patients = [
        patient_row(
            "05", firstName="=1+1", lastName="<r>&</r>", middleName="http://example.org", dateOfBirth="1899-12-31"
        ),
        patient_row("5", firstName="Ærø 東京", lastName="O'Neill; -1", dateOfBirth="2094-02-01"),
        patient_row("1e5", dateOfBirth=None),
    ]
    sync(app, "/patients", patients)
    sync(app, "/payments", [payment_row("-1", "05", "-9999999999.99"), payment_row("0.10", "5", "0.10")])
    sheet = openpyxl.load_workbook(io.BytesIO(app.get("/patients", headers=AS_XLSX).body))["patients"]
    first, second, third = list(sheet.iter_rows(min_row=2))
    assert [(cell.value, cell.data_type) for cell in first[:6]] == [
        (1, "n"),
        ("05", "s"),
        ("=1+1", "s"),
        ("<r>&</r>", "s"),
        ("http://example.org", "s"),
        ("1899-12-31", "s"),
    ]
    assert [(cell.value, cell.number_format) for cell in first[8:]] == [(-9999999999.99, "0.00"), (1, "General")]
    assert [cell.value for cell in second[1:5]] == ["5", "Ærø 東京", "O'Neill; -1", None]
    assert (second[5].value.date(), second[5].is_date) == (date(2094, 2, 1), True)
    assert (third[1].value, third[1].data_type, third[5].value) == ("1e5", "s", None)
    created = datetime.fromisoformat(app.get("/patients").json[0]["created"]).replace(tzinfo=None)
    assert abs(first[6].value - created).total_seconds() < 0.01
    payments = table(app.get("/payments", headers=AS_XLSX))[1:]
    assert [row[1:4] for row in payments] == [("-1", "05", -9999999999.99), ("0.10", "5", 0.1)]


def test_a_total_that_excel_would_round_is_a_text(app: TestApp) -> None:
    sync(app, "/patients", [patient_row("5")])
    sync(app, "/payments", [payment_row(str(number), "5", "9999999999.99") for number in range(1_001)])
    (_, patient) = table(app.get("/patients", headers=AS_XLSX))
    assert patient[8:] == ("10009999999989.99", 1_001)


def test_a_spreadsheet_without_rows_has_the_header_and_the_name_of_a_file(app: TestApp) -> None:
    response = app.get("/payments", headers=AS_XLSX)
    assert table(response) == [("id", "externalId", "patientId", "amount", "created (UTC)", "updated (UTC)")]
    assert response.headers["Content-Disposition"] == 'attachment; filename="payments.xlsx"'
    assert response.content_length == len(response.body)
    assert "X-Export-Notice" not in response.headers


def test_a_spreadsheet_of_several_batches_is_whole_and_in_order(app: TestApp) -> None:
    sync(app, "/patients", [patient_row(str(number)) for number in range(2_500)])
    rows = table(app.get("/patients?sort=-id", headers=AS_XLSX))
    assert [row[1] for row in rows[1:]] == [str(number) for number in reversed(range(2_500))]


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_head_tells_what_a_spreadsheet_would_be_and_reads_no_rows(practice: TestApp, path: str) -> None:
    get, head = practice.get(path, headers=AS_XLSX), practice.head(path, headers=AS_XLSX)
    assert head.body == b""
    for name in ("Content-Type", "Content-Disposition", "ETag"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("parameter", ["limit=5", "after=x", "bom=true", "count=exact"])
@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_a_spreadsheet_has_no_pages_and_no_mark(app: TestApp, path: str, parameter: str) -> None:
    problem = checked(app.get(f"{path}?{parameter}", headers=AS_XLSX, status=400), "invalid-parameter", 400)
    assert problem["parameter"] == parameter.partition("=")[0]


def test_the_media_type_is_negotiated_and_named_where_none_fits(practice: TestApp) -> None:
    for accept in (f"text/html, {XLSX};q=0.9", f"{XLSX};q=1, text/csv;q=0.5", f"{XLSX.upper()}; x=y"):
        assert practice.get("/payments", headers={"Accept": accept}).content_type == XLSX
    problem = checked(practice.get("/payments", headers={"Accept": "text/html"}, status=406), "not-acceptable", 406)
    assert f"text/csv, {XLSX};" in problem["detail"]
    for path in ("/syncs", "/patients/5", "/stats"):
        checked(practice.get(path, headers=AS_XLSX, status=406), "not-acceptable", 406)


@pytest.mark.parametrize("path", ["/patients", "/payments"])
def test_a_spreadsheet_needs_the_key_that_csv_needs(database_url: str, keys: Keyring, path: str) -> None:
    client = closed(database_url)
    for role, status in ((None, 401), (Role.SYNCER, 403), (Role.READER, 200), (Role.ADMIN, 200)):
        own = using(client, None if role is None else keys.key(role))
        for headers in (AS_CSV, AS_XLSX):
            assert own.get(path, headers=headers, status=status).status_int == status


def test_more_rows_than_a_spreadsheet_can_have_are_csv_and_the_response_says_so(sqlite_url: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": sqlite_url}))
    post(app, "/patients", ndjson(*(patient_row(str(number)) for number in range(MAX_ROWS + 1))), NDJSON)
    response = app.get("/patients", headers=AS_XLSX)
    assert response.content_type == "text/csv"
    assert response.headers["X-Export-Notice"] == NOTICE
    assert response.headers["Content-Disposition"] == 'attachment; filename="patients.csv"'
    same = app.get("/patients?bom=true", headers=AS_CSV)
    assert response.body == same.body
    assert response.text.count("\r\n") == MAX_ROWS + 2
    tag = response.headers["ETag"]
    assert tag != same.headers["ETag"]
    app.get("/patients", headers={**AS_XLSX, "If-None-Match": tag}, status=304)
    checked(app.get("/patients", headers=AS_XLSX, extra_environ={exports.UNDELIMITED: True}, status=505), *TOO_OLD)
    assert table(app.get("/patients?q=99999", headers=AS_XLSX))[1][1] == "99999"


class Pages:
    """Rows for a table that isn't an export, and what became of them."""

    def __init__(self, *batches: Sequence[Sequence[Any]]) -> None:
        self.batches = batches
        self.slots = 0
        self.closed = 0
        self.trail = AuditTrail(NoAudit(), "an-id", lambda: Caller(None, None, None, None, None, []))

    def read(self) -> Iterator[Sequence[Sequence[Any]]]:
        return iter(self.batches)

    def take_slot(self) -> Any:
        self.slots += 1
        return self.free_slot

    def free_slot(self) -> None:
        self.slots -= 1

    def close(self) -> None:
        self.closed += 1

    def answer(self, media: str, version: str | None = None, method: str = "GET") -> Any:
        """Return the response to a request for the table."""
        with Configurator(settings={}) as config:
            config.include(responses)
        request = Request.blank("/ui/syncs/42/changes", method=method)
        request.registry = config.registry
        request.take_export_slot = self.take_slot
        request.trail = self.trail
        request.practice = None
        columns = [Column("externalId"), Column("amount before", Decimal), Column("at", datetime)]
        rows = exports.Table("sync-42-changes", columns, self.read, close=self.close)
        return exports.table_response(request, media, rows, version)


AT = datetime.fromisoformat("2026-02-01T03:04:05Z")
ROWS: list[list[Any]] = [["05", Decimal("7.10"), AT], ["=1+1", None, AT]]


def test_any_table_can_be_xlsx_or_csv() -> None:
    pages = Pages(ROWS[:1], ROWS[1:])
    xlsx = pages.answer(XLSX)
    assert (pages.slots, pages.closed) == (1, 1)  # sending needs no rows any more
    assert xlsx.headers["Content-Disposition"] == 'attachment; filename="sync-42-changes.xlsx"'
    assert "ETag" not in xlsx.headers
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx.body)).active
    assert (pages.slots, pages.closed) == (0, 1)
    assert sheet.title == "sync-42-changes"
    assert [cell.value for cell in sheet[1]] == ["externalId", "amount before", "at (UTC)"]
    assert [cell.value for cell in sheet[2]] == ["05", 7.1, AT.replace(tzinfo=None)]
    assert [cell.value for cell in sheet[3]] == ["=1+1", None, AT.replace(tzinfo=None)]

    sent = Pages(ROWS[:1], ROWS[1:]).answer("text/csv", "version")
    assert sent.text == (
        "externalId,amount before,at\r\n05,7.10,2026-02-01T03:04:05Z\r\n'=1+1,,2026-02-01T03:04:05Z\r\n"
    )
    assert sent.headers["ETag"]


def test_a_table_is_closed_after_head_and_after_an_error() -> None:
    head = Pages(ROWS)
    head.answer(XLSX, method="HEAD").app_iter.close()
    assert head.closed == 1
    broken = Pages(ROWS, ROWS, [["05", object(), AT]])
    with pytest.raises(TypeError):
        broken.answer(XLSX)
    assert (broken.slots, broken.closed) == (0, 1)


def test_the_largest_spreadsheet_is_one_and_one_row_more_is_csv() -> None:
    batch = [["", None, None]] * 1_000
    largest = Pages(*[batch] * (MAX_ROWS // 1_000))
    response = largest.answer(XLSX)
    with ZipFile(io.BytesIO(response.body)) as file:
        assert file.read("xl/worksheets/sheet1.xml").count(b"<row ") == MAX_ROWS + 1

    more = Pages(*largest.batches, batch[:1]).answer(XLSX)
    assert (more.content_type, more.headers["X-Export-Notice"]) == ("text/csv", NOTICE)
    assert more.body.startswith(b"\xef\xbb\xbfexternalId,")
    assert more.body.count(b"\r\n") == MAX_ROWS + 2
