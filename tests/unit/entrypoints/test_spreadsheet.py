"""Spreadsheets: each cell has the type of its value, and nothing is rounded, run or left on the disk."""

import io
import tempfile
import tracemalloc
from contextlib import closing
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import openpyxl
import pytest

from paymentagg.domain.model import Model
from paymentagg.entrypoints import spreadsheet
from paymentagg.entrypoints.spreadsheet import Cell, Column, Spreadsheet, TooManyRows

SHEET = "xl/worksheets/sheet1.xml"


def written(*rows: list[Cell], columns: list[Column] | None = None) -> bytes:
    """Return a file with these rows."""
    columns = columns or [Column(f"column {number}") for number, _ in enumerate(rows[0])]
    with closing(Spreadsheet("rows", columns)) as sheet:
        sheet.add(rows)
        with sheet.finish() as file:
            return file.read()


def cells(*values: Cell) -> list[Any]:
    """Return the cells of one row with these values, as openpyxl reads them."""
    sheet = openpyxl.load_workbook(io.BytesIO(written(list(values)))).active
    return list(sheet[2])


def digits(value: Cell) -> str | None:
    """Return the number of a cell as it is in the file, None if the cell has no number."""
    with ZipFile(io.BytesIO(written([value]))) as file:
        return ElementTree.fromstring(file.read(SHEET)).findtext(".//{*}row[2]/{*}c/{*}v")  # noqa: S314  # our own file


TEXTS = [
    "05",
    "1e5",
    "12,50",
    "2026-02-01",
    "TRUE",
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    '=HYPERLINK("http://example.org")',
    "{=1}",
    "http://example.org",
    "mailto:a@example.org",
    "internal:rows!A1",
    "'quoted",
    "<r>rich</r>",
    "<r><t>&</r>",
    "<rows/>",
    "a < b & c > \"d\" 'e'",
    "]]>",
    "Ærøskøbing 東京 👩‍⚕️ \u202eabc\u200b",
    "  white space\u00a0 ",
    "two\nlines\tand a tab",
    "x" * 250,
    "x" * 10_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_text_stays_a_text_whatever_it_looks_like(text: str) -> None:
    (cell,) = cells(text)
    assert (cell.value, cell.data_type, cell.number_format, cell.hyperlink) == (text, "s", "@", None)


def test_names_of_the_domain_are_texts() -> None:
    assert cells(Model.PATIENT)[0].value == "patient"


@pytest.mark.parametrize("text", ["_x0041_", "a\x01b", "\x1b[31m", "\ufffe"])
def test_what_xml_cannot_hold_is_escaped_as_excel_does(text: str) -> None:
    (cell,) = cells(text)
    assert openpyxl.utils.escape.unescape(cell.value) == text


@pytest.mark.parametrize(
    "amount",
    [
        *("0.00", "0.01", "-0.01", "7.10", "-5.00", "0.30", "9999999999.99", "-9999999999.99"),
        *("1234567890123.45", "9999999999999.99", "123456789012345.00", "1234567890123450.00"),
    ],
)
def test_an_amount_is_a_number_of_exactly_its_digits(amount: str) -> None:
    (cell,) = cells(Decimal(amount))
    assert (cell.data_type, cell.number_format) == ("n", "0.00")
    exact = digits(Decimal(amount))
    assert exact is not None
    assert Decimal(exact) == Decimal(amount)
    assert f"{cell.value:.2f}" == amount


@pytest.mark.parametrize("amount", ["9999999999999999.99", "-12345678901234.56", "1234567890123456.00"])
def test_an_amount_that_excel_would_round_is_a_text(amount: str) -> None:
    (cell,) = cells(Decimal(amount))
    assert (cell.value, cell.data_type, cell.alignment.horizontal) == (amount, "s", "right")


def test_a_count_is_a_number_as_long_as_excel_knows_all_of_its_digits() -> None:
    cell, zero, negative, long = cells(999_999_999_999_999, 0, -3, 1_234_567_890_123_456)
    assert [each.value for each in (cell, zero, negative)] == [999_999_999_999_999, 0, -3]
    assert (cell.data_type, long.data_type, long.value) == ("n", "s", "1234567890123456")


@pytest.mark.parametrize("born", [date(1900, 1, 1), date(1900, 3, 1), date(2000, 2, 29), date(2094, 2, 1), date.max])
def test_a_date_is_a_date(born: date) -> None:
    (cell,) = cells(born)
    assert (cell.value.date(), cell.is_date, cell.number_format) == (born, True, "yyyy-mm-dd")


@pytest.mark.parametrize("born", [date.min, date(1899, 12, 31)])
def test_a_date_that_excel_cannot_show_is_a_text(born: date) -> None:
    (cell,) = cells(born)
    assert (cell.value, cell.data_type) == (born.isoformat(), "s")


def test_a_time_is_in_utc_and_the_header_says_so() -> None:
    at = datetime(2026, 2, 1, 0, 30, 15, tzinfo=timezone(timedelta(hours=2)))
    columns = [Column("created", datetime), Column("born", date)]
    sheet = openpyxl.load_workbook(io.BytesIO(written([at, None], columns=columns))).active
    assert [cell.value for cell in sheet[1]] == ["created (UTC)", "born"]
    cell = sheet["A2"]
    assert (cell.value, cell.number_format) == (datetime(2026, 1, 31, 22, 30, 15), "yyyy-mm-dd hh:mm:ss")  # noqa: DTZ001


def test_the_header_is_bold_and_frozen_and_filters_all_rows() -> None:
    columns = [Column("id", int), Column("name"), Column("note", width=60)]
    book = openpyxl.load_workbook(io.BytesIO(written([1, "a", None], [2, "b", "c"], columns=columns)))
    sheet = book["rows"]
    assert book.sheetnames == ["rows"]
    assert [cell.font.bold for cell in sheet[1]] == [True, True, True]
    assert (sheet.freeze_panes, sheet.auto_filter.ref, sheet.dimensions) == ("A2", "A1:C3", "A1:C3")
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert widths == sorted(widths)
    assert widths[2] == pytest.approx(60, abs=1)


def test_no_cell_has_a_formula_a_link_or_a_warning() -> None:
    with ZipFile(io.BytesIO(written(["05", "=1+1", "http://example.org", Decimal("1234567890123456.78")]))) as file:
        sheet = file.read(SHEET).decode()
        assert not [name for name in file.namelist() if "rels" in name and "sheet" in name]
    assert "<f>" not in sheet
    assert '<ignoredError sqref="A1:D2" numberStoredAsText="1"/>' in sheet


def test_a_table_without_rows_has_a_header() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written(columns=[Column("a"), Column("b")])))
    assert list(book.active.values) == [("a", "b")]


def test_the_same_rows_give_the_same_bytes_which_name_nobody() -> None:
    file = written(["05", Decimal("7.10"), date(2094, 2, 1)])
    assert file == written(["05", Decimal("7.10"), date(2094, 2, 1)])
    about = openpyxl.load_workbook(io.BytesIO(file)).properties
    assert not about.creator
    assert not about.lastModifiedBy
    assert about.created == datetime(1980, 1, 1)  # noqa: DTZ001


def test_there_is_a_limit_to_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_ROWS", 3)
    with closing(Spreadsheet("rows", [Column("number", int)])) as sheet:
        sheet.add([number] for number in range(3))
        with pytest.raises(TooManyRows):
            sheet.add([[0]])
        with sheet.finish() as file, ZipFile(file) as archive:
            assert archive.read(SHEET).count(b"<row ") == 4


def test_rows_are_neither_kept_in_memory_nor_in_a_file_with_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    at, text = datetime(2026, 2, 1, tzinfo=UTC), "x" * 1_000
    tracemalloc.start()
    try:
        with closing(Spreadsheet("rows", [Column("text"), Column("at", datetime)])) as sheet:
            sheet.add([text, at] for _ in range(5_000))
            assert list(tmp_path.iterdir()) == []
            with sheet.finish():
                assert list(tmp_path.iterdir()) == []
                _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000  # the texts have 5,000,000 bytes


def test_what_is_discarded_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def noted(*args: Any, **options: Any) -> Any:
        opened.append(tempfile.TemporaryFile(*args, **options))  # noqa: SIM115  # the sheet closes it
        return opened[-1]

    monkeypatch.setattr("paymentagg.entrypoints.spreadsheet.TemporaryFile", noted)
    sheet = Spreadsheet("rows", [Column("text")])
    sheet.add([["a"]])
    sheet.close()
    sheet.close()
    assert [file.closed for file in opened] == [True]
