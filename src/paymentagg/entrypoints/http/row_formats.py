"""Encode rows as NDJSON or CSV."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from paymentagg.entrypoints.spreadsheet import Cell, Column

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_INNER_FORMULA = re.compile(r'(?<=[;\t])(?=["\s]*[=+\-@\t\r])')
"""Where a formula would begin if a spreadsheet split the cell at semicolons or tabs, and took quotes for its own."""

_json = msgspec.json.Encoder(decimal_format="number")


class Ndjson:
    """One JSON object per line."""

    head = b""

    def encode(self, rows: Sequence[msgspec.Struct]) -> bytes:
        """Return the rows as lines."""
        return _json.encode_lines(rows)


class Csv:
    """CSV as in RFC 4180; the header has the names of the columns.

    ``cells`` returns the cells of a row. ``bom``: begin with a byte order mark; Excel reads UTF-8 only with
    such a mark; most other programs take it for a part of the first name.
    """

    def __init__(self, columns: Sequence[Column], cells: Callable[[Any], Sequence[Cell]], *, bom: bool) -> None:
        self._cells = cells
        self.head = (codecs.BOM_UTF8 if bom else b"") + self._lines([[column.name for column in columns]])

    def encode(self, rows: Sequence[Any]) -> bytes:
        """Return the rows as lines, whose cells no spreadsheet takes for formulas."""
        return self._lines([[_cell(value) for value in self._cells(row)] for row in rows])

    @staticmethod
    def _lines(cells: list[list[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(cells)
        return text.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    if isinstance(value, str):
        # A spreadsheet would run a text that looks like a formula; the apostrophe prevents it.
        if ";" in value or "\t" in value:
            value = _INNER_FORMULA.sub("'", value)
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value
