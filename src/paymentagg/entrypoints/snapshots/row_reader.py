"""Parses and checks rows: on a fast path, many at once, or on a slow path, row by row.

The fast path decodes a piece of JSON with msgspec and checks it column by column. It returns None unless all of its
rows are valid and usual; the slow path then finds which rows are rejected and why. Both paths accept the same rows.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar, cast

import msgspec

from paymentagg.domain.batches import Batch, Columns
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT, Text
from paymentagg.domain.money import MAX_INTEGER_DIGITS
from paymentagg.domain.row_rules import Number, RowError, check_row
from paymentagg.domain.text import INVALID_TEXT

MAX_ROW_BYTES = 1024 * 1024
"""The largest row. Real rows have a few hundred bytes; without a limit, one row could exhaust the memory."""

LOOKAHEAD = 16
"""An upper bound on the characters that a truncated JSON token, other than a string, lacks.

A syntax error this close to the end of a chunk may only mean that the rest of the token is in the next chunk.
"""

_MAX_CUTS = 5  # nested objects are rare in rows: if none of the last five "}" ends a row, take the slow path

_CUT = "it ends in the middle of a row, so it is truncated; send it again"
_MALFORMED = "this is not JSON (a missing or extra comma, quote or bracket?); write it with a JSON library"
_NOT_FINITE = "NaN and Infinity are not JSON; correct the number or leave out the row"
_TOO_DEEP = "a row is nested too deeply; leave out nested values, which a row doesn't need"

# Amounts, each with a comma after it, that have no exponent and at most two decimals: nearly all. Other valid ones,
# such as 1e2 and 7.100, take the slow path. A comma in a string can't pass for the one after an amount.
_AMOUNT = rf"-?+(?:0|[1-9][0-9]{{0,{MAX_INTEGER_DIGITS - 1}}}+)(?:\.[0-9]{{1,2}}+)?+"
_AMOUNTS = re.compile(rf'(?:{_AMOUNT},|"{_AMOUNT}",)*+')
_AFTER_ONE_DECIMAL = re.compile(r",(?<=\.[0-9],)")
_AFTER_NO_DECIMALS = re.compile(r",(?<!\.[0-9],)(?<!\.[0-9]{2},)")


_ESCAPE = re.compile(r"(\\(?:[^u]|u(?![dD][89a-fA-F])|u[dD][89abAB]..\\u[dD][c-fC-F]..))|\\")
"""Matches an escape in JSON, in group 1 unless it is half of a surrogate pair without the other half."""


class _PaymentRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A payment whose amount isn't decoded yet."""

    external_id: Text
    patient_id: Text
    amount: msgspec.Raw


RowT = TypeVar("RowT")


class Malformed(ValueError):
    """The text is not JSON at ``position``, in characters; ``reason`` is the message for the client."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class Incomplete(ValueError):
    """The value can't be parsed without more text."""


class _NotFinite(ValueError):
    """NaN or an infinity in place of a number."""


def _refuse(_: str) -> NoReturn:
    raise _NotFinite


_JSON = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


def parse(text: str, start: int, *, whole: bool) -> tuple[object, int]:
    """Return the JSON value that begins at ``start`` and the position after it.

    Args:
        whole: no text follows ``text``.

    Raises:
        Incomplete: the value may continue after ``text``.
        Malformed: there is no JSON value, or it is nested too deeply.
    """
    near_end = len(text) if whole else len(text) - LOOKAHEAD
    try:
        value, end = _JSON.raw_decode(text, start)
    except json.JSONDecodeError as error:
        unterminated = error.msg.startswith("Unterminated string")
        if not whole and (unterminated or error.pos > near_end):
            raise Incomplete from None
        raise Malformed(_CUT if unterminated or error.pos == len(text) else _MALFORMED, error.pos) from None
    except _NotFinite:
        raise Malformed(_NOT_FINITE, start) from None
    except RecursionError:
        raise Malformed(_TOO_DEEP, start) from None
    if isinstance(value, Number) and end > near_end:
        raise Incomplete
    return value, end


class RowReader(Generic[RecordT]):
    """Makes batches of checked rows and numbers them; ``last`` is the number of the last row, and may be set.

    Args:
        row: what the fast path decodes a row to.
        checked: takes a piece of JSON and its rows; returns their columns, see ``Batch``, or None for the slow path.

    Attributes:
        keeps_rows: whether to return rejections with the whole row, as ``RejectedRow``; may be set.
    """

    def __init__(
        self,
        model: Model,
        record: type[RecordT],
        row: type[RowT],
        checked: Callable[[bytes, list[RowT]], Columns | None],
    ) -> None:
        self.last = 0
        self.keeps_rows = False
        self._model = model
        self._record: type[RecordT] = record
        self._list = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]  # known at run time
        self._line = msgspec.json.Decoder(row)
        self._checked: Callable[[bytes, list[Any]], Columns | None] = checked
        self._clear()

    def fast_rows(self, data: bytes, start: int, end: int) -> tuple[Batch[RecordT], int] | None:
        """Return the complete rows in ``data[start:end]``, separated by commas, and the position after the last one.

        Return None if the rows need the slow path. A cut within a string or a nested object doesn't leave valid JSON,
        so a cut that parses is a row boundary.
        """
        for _ in range(_MAX_CUTS):
            end = data.rfind(b"}", start, end)
            if end < 0:
                return None
            piece = data[start : end + 1]
            if len(piece) > MAX_ROW_BYTES:
                return None  # a row may be too large
            try:
                rows = self._list.decode(b"[%b]" % piece)
            except msgspec.ValidationError:
                return None  # a row is bad; another cut wouldn't help
            except msgspec.DecodeError:
                continue
            except (UnicodeDecodeError, RecursionError):
                return None
            batch = self._checked_batch(piece, rows)
            return None if batch is None else (batch, end + 1)
        return None

    def fast_lines(self, piece: bytes) -> Batch[RecordT] | None:
        """Return the rows of complete lines, or None if they need the slow path."""
        if len(piece) > MAX_ROW_BYTES:
            return None
        piece = piece.strip(b" \t\r\n")
        # msgspec ignores where lines end. Within a JSON value a "{" never follows a "}" directly, so these line ends
        # separate rows. If there is one row more than such line ends, each line holds one row.
        ends = piece.count(b"}\n{") + piece.count(b"}\r\n{")
        if ends != piece.count(b"\n"):
            return None
        try:
            rows = self._line.decode_lines(piece)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._checked_batch(piece, rows) if len(rows) == ends + 1 else None

    def add(self, value: object, text: str = "") -> None:
        """Check one parsed value and add it to the batch that ``take_batch`` returns, as a record or a rejection.

        Args:
            text: the value's JSON, which is needed only if ``keeps_rows``.
        """
        self.last += 1
        try:
            record = check_row(self._model, value)
        except RowError as error:
            rejection = Rejection.of(self._model, self.last, error.external_id, error.field, error.code, error.value)
            if self.keeps_rows:
                rejection = rejection.with_row(_one_line(text))
            self._rejections.append(rejection)
        else:
            self._records.append(cast(RecordT, record))
            self._numbers.append(self.last)

    def take_batch(self) -> Batch[RecordT] | None:
        """Return the rows added since the last call, or None if there are none."""
        records, numbers, rejections = self._records, self._numbers, self._rejections
        self._clear()
        if rejections or not records:
            return Batch.of(self._record, numbers, records, rejections) if rejections else None
        consecutive = range(numbers[0], numbers[-1] + 1)
        return Batch.of(self._record, consecutive if len(consecutive) == len(numbers) else numbers, records, [])

    def _clear(self) -> None:
        self._records: list[RecordT] = []
        self._numbers: list[int] = []
        self._rejections: list[Rejection] = []

    def _checked_batch(self, piece: bytes, rows: list[Any]) -> Batch[RecordT] | None:
        """Return the batch of these rows, decoded from ``piece``, or None if they need the slow path."""
        try:
            if not piece.isascii():
                piece.decode()  # msgspec ignores invalid UTF-8 in unknown fields
        except UnicodeDecodeError:
            return None
        columns = self._checked(piece, rows)
        if columns is None:
            return None
        first = self.last + 1
        self.last += len(rows)
        return Batch(self._record, range(first, self.last + 1), columns, [])


def patient_rows() -> RowReader[Patient]:
    """Return a reader of the rows of a patient snapshot."""
    return RowReader(Model.PATIENT, Patient, Patient, _patient_columns)


def payment_rows() -> RowReader[Payment]:
    """Return a reader of the rows of a payment snapshot."""
    return RowReader(Model.PAYMENT, Payment, _PaymentRow, _payment_columns)


def _one_line(text: str) -> str:
    """Return a row's JSON in one line that all parsers read: some refuse half of a surrogate pair.

    Its backslash is escaped. A line end is white space, because those in strings are escaped.
    """
    if "\\u" in text:
        text = _ESCAPE.sub(lambda match: match[1] or "\\\\", text)
    return text.replace("\n", " ").replace("\r", " ")


def _patient_columns(piece: bytes, rows: list[Patient]) -> Columns | None:
    ids = [row.external_id for row in rows]
    first_names = [row.first_name for row in rows]
    last_names = [row.last_name for row in rows]
    middle_names = [row.middle_name for row in rows]
    if not (_are_trimmed(ids) and all(map(str.strip, first_names)) and all(map(str.strip, last_names))):
        return None
    given = list(filter(None, middle_names))
    if not (_has_no_invalid_text(piece) or _are_valid([*ids, *first_names, *last_names, *given])):
        return None
    if not all(map(str.strip, given)) or "" in middle_names:
        middle_names = [name if name and name.strip() else None for name in middle_names]
    births = [row.date_of_birth and row.date_of_birth.isoformat() for row in rows]
    return ids, first_names, last_names, middle_names, births


def _payment_columns(piece: bytes, rows: list[_PaymentRow]) -> Columns | None:
    ids = [row.external_id for row in rows]
    patient_ids = [row.patient_id for row in rows]
    if not (_are_trimmed(ids) and _are_trimmed(patient_ids)):
        return None
    if not (_has_no_invalid_text(piece) or _are_valid([*ids, *patient_ids])):
        return None
    cents = _cents([row.amount for row in rows])
    return None if cents is None else (ids, patient_ids, cents)


def _cents(amounts: list[msgspec.Raw]) -> list[str] | None:
    """Return amounts, in JSON, in cents; None if one is invalid or unusual. 0.50 is ``050``, and -0 is ``-000``."""
    text = b",".join(amounts).decode() + ","
    if not _AMOUNTS.fullmatch(text):
        return None
    text = _AFTER_ONE_DECIMAL.sub("0,", text.replace('"', ""))
    text = _AFTER_NO_DECIMALS.sub("00,", text)
    return text.replace(".", "").split(",")[:-1]


def _are_trimmed(ids: list[str]) -> bool:
    text = "".join(ids)
    # The space is the only printable white space, and most ids have none, so the fast test is usually enough.
    return (text.isprintable() and " " not in text) or list(map(str.strip, ids)) == ids


def _are_valid(texts: list[str]) -> bool:
    text = "".join(texts)
    return text.isprintable() or not INVALID_TEXT.search(
        text
    )  # isprintable() is faster, and false for all invalid text


def _has_no_invalid_text(piece: bytes) -> bool:
    """Return whether no text in the JSON can have an invalid character; JSON has no raw control characters."""
    return piece.isascii() and b"\\" not in piece and b"\x7f" not in piece
