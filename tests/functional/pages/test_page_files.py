"""The links of pages to Excel and CSV: all rows, not only those of the page, as texts, dates and numbers."""

from io import BytesIO
from typing import Any

import openpyxl
import pytest
from webtest import TestApp, TestResponse

from api import PAYMENTS, sync
from builders import patient_row, payment_row
from visitor import Visitor, soup, text


def _rows(response: TestResponse) -> list[tuple[Any, ...]]:
    """Return the rows of an Excel file."""
    return list(openpyxl.load_workbook(BytesIO(response.body)).active.values)


def _link(response: TestResponse, title: str) -> str:
    return str(soup(response).find("a", string=title)["href"])


@pytest.fixture
def visitor(practice: TestApp) -> Visitor:
    """A visitor of the small practice, on the same machine."""
    return Visitor(practice, address="127.0.0.1")


def test_all_patients_that_match_come_as_excel_and_csv(app: TestApp) -> None:
    sync(app, "/patients", [patient_row(f"0{number}", lastName="Müller") for number in range(60)])
    visitor = Visitor(app, address="127.0.0.1")
    page = visitor.get("/ui/patients?q=mull&sort=externalId")
    excel = visitor.get(_link(page, "Excel"))
    assert excel.headers["Content-Disposition"] == 'attachment; filename="patients.xlsx"'
    assert [row[1] for row in _rows(excel)[1:]] == sorted(f"0{number}" for number in range(60))
    csv = visitor.get(_link(page, "CSV"))
    assert csv.text.startswith("\ufeff")  # else Excel would spoil the umlauts
    assert csv.text.count("Müller") == 60


def test_the_changes_of_a_sync_come_with_their_fields_before_and_after(visitor: Visitor, app: TestApp) -> None:
    sync(app, "/payments", [payment_row("501", "5", "5.46"), *PAYMENTS[1:4], payment_row("700", "8", "-9.00")])
    header, *rows = _rows(visitor.get(_link(visitor.get("/ui/syncs/3"), "Excel")))
    assert header[:3] == ("change", "model", "externalId")
    amounts = {row[2]: (row[0], row[header.index("amount before")], row[header.index("amount after")]) for row in rows}
    assert amounts == {"501": ("updated", 4.46, 5.46), "602": ("deleted", 0.2, None), "700": ("created", None, -9)}
    only = _rows(visitor.get(_link(visitor.get("/ui/syncs/3?kind=deleted"), "Excel")))
    assert [row[2] for row in only[1:]] == ["602"]


def test_the_rejected_rows_of_a_sync_come_with_what_to_do(visitor: Visitor, app: TestApp) -> None:
    sync(app, "/payments", [*PAYMENTS, payment_row("=1+1", "5", "12,50")])
    _, row = _rows(visitor.get(_link(visitor.get("/ui/syncs/3?show=rejected"), "Excel")))
    assert row[:5] == ("payment", 6, "=1+1", "amount", "12,50")
    csv = visitor.get(_link(visitor.get("/ui/syncs/3?show=rejected"), "CSV"))
    assert "'=1+1" in csv.text  # which a spreadsheet would compute


def test_more_changes_than_a_batch_come_whole(app: TestApp) -> None:
    sync(app, "/patients", [patient_row("5")])
    sync(app, "/payments", [payment_row(f"p{number}", "5") for number in range(2345)])
    visitor = Visitor(app, address="127.0.0.1")
    assert len(_rows(visitor.get(_link(visitor.get("/ui/syncs/2"), "Excel")))) == 2346


def test_a_preview_comes_whole_as_excel(visitor: Visitor) -> None:
    visitor.upload(payments=[*PAYMENTS[1:], payment_row("800", "5", "1.00"), payment_row("900", "9", "1.00")])
    changes = _rows(visitor.get(_link(visitor.get("/ui/upload"), "All changes as Excel")))
    assert sorted((row[0], row[2]) for row in changes[1:]) == [("created", "800"), ("deleted", "501")]
    rejected = visitor.get(_link(visitor.get("/ui/upload?show=rejected"), "as CSV")).text
    assert "payment,6,900,patientId,9,unknown-patient" in rejected


def test_another_format_is_refused(visitor: Visitor) -> None:
    assert "Format: must be xlsx or csv." in text(visitor.get("/ui/patients?format=pdf", 400))
    visitor.get("/ui/syncs/2?format=pdf", 400)
    visitor.get("/ui/upload?format=pdf", 400)
