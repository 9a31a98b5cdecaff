"""Write tables as XLSX files for Excel, in bounded memory."""

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from typing_extensions import override
from xlsxwriter import Workbook
from xlsxwriter.utility import xl_range
from xlsxwriter.worksheet import Worksheet

Cell = str | int | Decimal | date | datetime | None
"""What a cell can hold; times are aware."""

MAX_ROWS = 100_000
"""How many rows a spreadsheet can have, without its header. One takes seconds of CPU time, and people read it."""

_EXACT_DIGITS = 15
"""Excel's numbers are binary floats: any decimal of so many significant digits is shown as it was written."""
_FIRST_YEAR = 1900
"""Excel shows no earlier dates; the last one that it shows is also Python's, 9999-12-31."""
_CREATED = datetime(1980, 1, 1)  # noqa: DTZ001  # the earliest time that ZIP files know
"""The time in all files: the same rows always give the same bytes, which their entity tag promises."""
_ROWS = "<rows/>"
"""Stands for the rows until they are copied; nothing else that XlsxWriter writes has such an element."""
_WIDTHS: dict[type, int] = {str: 22, int: 10, Decimal: 14, date: 12, datetime: 20}


class TooManyRows(Exception):
    """There are more than ``MAX_ROWS`` rows."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table. ``kind``: the type of most of its cells; ``width``: in characters, None: that of its kind.

    A column of times must have the kind datetime, because Excel knows no zones and the header therefore says "(UTC)".
    """

    name: str
    kind: type = str
    width: int | None = None


class Spreadsheet:
    """A workbook with one sheet, which has a header. Close it, whether it is finished or not.

    The type of a value decides about its cell. Texts stay texts, whatever they look like; None is an empty cell. A
    number of more than 15 significant digits, which Excel would round, and a date before 1900 are texts too.
    """

    def __init__(self, title: str, columns: Sequence[Column]) -> None:
        """Write the header.

        Args:
            title: the name of the sheet, at most 31 characters, none of them one of ``[]:*?/\\``.
        """
        options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
        self.rows = 0
        self._columns = columns
        self._frame = BytesIO()
        self._book = Workbook(self._frame, {"in_memory": True} | options)
        self._book.set_properties({"title": title, "created": _CREATED})  # an author too would be the place for a name
        self._sheet = self._book.add_worksheet(title, _Sheet)
        header, self._text, self._figures, self._amount, self._date, self._time = map(
            self._book.add_format,
            (
                {"bold": True, "num_format": "@"},
                {"num_format": "@"},
                {"num_format": "@", "align": "right"},
                {"num_format": "0.00"},
                {"num_format": "yyyy-mm-dd"},
                {"num_format": "yyyy-mm-dd hh:mm:ss"},
            ),
        )
        for number, column in enumerate(columns):
            self._sheet.set_column(number, number, column.width or _WIDTHS[column.kind])
            name = f"{column.name} (UTC)" if column.kind is datetime else column.name
            self._sheet.write_string(0, number, name, header)
        self._sheet.freeze_panes(1, 0)

    def add(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Write rows; each has a value for every column. Of a longer text, Excel takes the first 32,767 characters.

        Raises:
            TooManyRows: the spreadsheet would have more than MAX_ROWS.
            OSError: they can't be stored, because the disk is full.
        """
        for row in rows:
            if self.rows == MAX_ROWS:
                raise TooManyRows
            self.rows += 1
            for column, value in enumerate(row):
                self._write(self.rows, column, value)

    def finish(self) -> BinaryIO:
        """Return the XLSX file, open at its beginning; it has no name, and is gone when it is closed.

        Raises:
            OSError: it can't be stored, because the disk is full.
        """
        table = (0, 0, self.rows, len(self._columns) - 1)
        self._sheet.autofilter(*table)
        self._sheet.ignore_errors({"number_stored_as_text": xl_range(*table)})
        self._book.close()
        file = TemporaryFile()  # noqa: SIM115  # the caller closes it
        try:
            with ZipFile(self._frame) as frame, ZipFile(file, "w", ZIP_DEFLATED) as whole:
                for name in frame.namelist():
                    self._copy(name, frame.read(name), whole)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def close(self) -> None:
        """Delete what is stored of the rows."""
        self._sheet.row_data_fh.close()

    def _write(self, row: int, column: int, value: Cell) -> None:
        match value:
            case str():
                self._sheet.write_string(row, column, value, self._text)
            case None:
                pass
            case date():
                self._write_date(row, column, value)
            case Decimal() | int():
                self._write_number(row, column, value)
            case _:
                raise TypeError(f"a cell can't hold a value of type {type(value).__name__}")

    def _write_date(self, row: int, column: int, value: date) -> None:
        if value.year < _FIRST_YEAR:
            self._sheet.write_string(row, column, value.isoformat(), self._text)
        elif isinstance(value, datetime):
            self._sheet.write_datetime(row, column, value.astimezone(UTC).replace(tzinfo=None), self._time)
        else:
            self._sheet.write_datetime(row, column, value, self._date)

    def _write_number(self, row: int, column: int, value: Decimal | int) -> None:
        digits = len(Decimal(value).normalize().as_tuple().digits)
        if digits > _EXACT_DIGITS:
            self._sheet.write_string(row, column, f"{Decimal(value):f}", self._figures)
        else:
            # XlsxWriter formats a Decimal as ".16G", which never makes it a float, and keeps 16 digits of it.
            self._sheet.write_number(row, column, value, self._amount if isinstance(value, Decimal) else None)

    def _copy(self, name: str, content: bytes, whole: ZipFile) -> None:
        """Write one file of the frame to the whole, with the rows in the place that is kept for them."""
        entry = ZipInfo(name, _CREATED.timetuple()[:6])
        entry.compress_type = ZIP_DEFLATED
        before, place, after = content.partition(_ROWS.encode())
        with whole.open(entry, "w") as part:
            part.write(before)
            if place:
                self._sheet.row_data_fh.seek(0)
                shutil.copyfileobj(self._sheet.row_data_fh.buffer, part)
            part.write(after)


class _Sheet(Worksheet):  # type: ignore[misc]  # XlsxWriter has no types
    """A sheet in XlsxWriter's mode of constant memory, but with its rows in a file that has no name.

    XlsxWriter itself gives names to several files, which a process that is killed would leave behind.
    """

    @override
    def _initialize(self, init_data: dict[str, Any]) -> None:
        super()._initialize(init_data)
        self.constant_memory = True
        self.fh = self.row_data_fh = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # Spreadsheet closes it

    @override
    def _write_optimized_sheet_data(self) -> None:
        self.fh.write(f"<sheetData>{_ROWS}</sheetData>")

    @override
    def _xml_rich_inline_string(self, string: str, attributes: Sequence[tuple[str, object]] = ()) -> None:
        # XlsxWriter takes texts like <r>…</r> for formatting of its own, and wouldn't escape them.
        self._xml_inline_string(string, False, attributes)
