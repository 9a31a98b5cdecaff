"""From JSON text to rows that were checked: quickly where a piece of text is plain, else row by row.

The quick way lets msgspec make the records, and then checks a whole piece at once. It only says yes or "look
closer"; what is wrong with which row, the other way finds out. Both take the same rows.
"""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, Inexact, InvalidOperation
from itertools import repeat
from operator import attrgetter
from typing import Generic, NoReturn, cast

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.money import CENT, quantized
from paymentagg.domain.ports import Batch
from paymentagg.domain.row_rules import Number, RowError, check_row
from paymentagg.domain.text import INVALID_TEXT

MAX_ROW_BYTES = 1024 * 1024
"""The largest row. A row of a practice has some hundred bytes; without a bound, one row could fill the memory."""

LOOKAHEAD = 16
"""More characters than a JSON token other than a string can lack: a fault this near the end may just be a cut."""

_CUTS = 5  # nested objects are rare in rows: where five "}" from the end are no boundary, look closer

_CUT = "it ends in the middle of a row; it was cut off, so send it again"
_MALFORMED = "this is not JSON (a comma, a quote or a bracket too many or too few?); let a JSON library write it"
_NOT_FINITE = "NaN and Infinity are not JSON; leave such a row out"
_TOO_DEEP = "a row is nested too deeply; a row needs no nested values"

_ZERO = Decimal("0.00")

# A payment has three names and two ids at least: where there are no more quotes, no amount is a string.
_QUOTES = 10

# A string as amount that isn't written like a JSON number. Sound where there is no backslash: then no quote is
# part of a string, and no key is written with escapes.
_ODD_AMOUNT = re.compile(
    rb'"amount"[ \t\r\n]*:[ \t\r\n]*"(?!-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")',
)

_external_id = attrgetter("external_id")
_patient_id = attrgetter("patient_id")
_amount = attrgetter("amount")
_first_name = attrgetter("first_name")
_last_name = attrgetter("last_name")
_middle_name = attrgetter("middle_name")


class Malformed(ValueError):
    """A text is no JSON at ``position``, in characters."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


class Incomplete(ValueError):
    """A text ends where it takes more of it to know the value."""


class _NotFinite(ValueError):
    """NaN or an infinity stands where a number should be."""


def _refuse(_: str) -> NoReturn:
    raise _NotFinite


_JSON = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)


def parse(text: str, start: int, *, whole: bool) -> tuple[object, int]:
    """Return the JSON value that begins at ``start`` and the position behind it.

    Raises:
        Incomplete: more may follow, as the text isn't ``whole``, and would matter.
        Malformed: there is no value, or none that could be a row.
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
    """Makes batches of rows, and numbers the rows: ``rows`` is how many there were so far."""

    def __init__(
        self, model: Model, record: type[RecordT], sound: Callable[[bytes, list[RecordT]], list[RecordT] | None]
    ) -> None:
        self.rows = 0
        self._model = model
        self._list: msgspec.json.Decoder[list[RecordT]] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]  # known at run time
        self._line: msgspec.json.Decoder[RecordT] = msgspec.json.Decoder(record)
        self._sound: Callable[[bytes, list[RecordT]], list[RecordT] | None] = sound
        self._clear()

    def quick_rows(self, data: bytes, start: int, end: int) -> tuple[Batch[RecordT], int] | None:
        """Return the rows from ``start`` on, divided by commas, and where the last whole one before ``end`` ends.

        None: look closer. A cut within a string or a nested object leaves no JSON, so a cut that can be read is
        a boundary of rows.
        """
        for _ in range(_CUTS):
            end = data.rfind(b"}", start, end)
            if end < 0:
                return None
            piece = data[start : end + 1]
            if len(piece) > MAX_ROW_BYTES:
                return None  # one of its rows may be too large
            try:
                records = self._list.decode(b"[%b]" % piece)
            except msgspec.ValidationError:
                return None  # a row is bad, wherever we cut
            except msgspec.DecodeError:
                continue
            except (UnicodeDecodeError, RecursionError):
                return None
            batch = self._checked(piece, records)
            return None if batch is None else (batch, end + 1)
        return None

    def quick_lines(self, piece: bytes) -> Batch[RecordT] | None:
        """Return the rows of some whole lines, None to look closer."""
        if len(piece) > MAX_ROW_BYTES:
            return None
        piece = piece.strip(b" \t\r\n")
        # msgspec doesn't care where lines end. Within a value no "{" follows a "}", so these line ends stand between
        # rows; and with no more rows than that, there is one a line.
        ends = piece.count(b"}\n{") + piece.count(b"}\r\n{")
        if ends != piece.count(b"\n"):
            return None
        try:
            records = self._line.decode_lines(piece)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._checked(piece, records) if len(records) == ends + 1 else None

    def add(self, value: object) -> None:
        """Check one parsed row and put it into the batch that take returns."""
        self.rows += 1
        try:
            record = check_row(self._model, value)
        except RowError as error:
            rejection = Rejection.of(self._model, self.rows, error.external_id, error.field, error.code)
            self._rejections.append(rejection)
        else:
            self._records.append(cast(RecordT, record))
            self._numbers.append(self.rows)

    def take(self) -> Batch[RecordT] | None:
        """Return the rows that were added since the last time, None if there were none."""
        records, numbers, rejections = self._records, self._numbers, self._rejections
        self._clear()
        if rejections:
            return Batch(records, numbers, rejections)
        return Batch(records, range(numbers[0], numbers[-1] + 1), []) if records else None

    def _clear(self) -> None:
        self._records: list[RecordT] = []
        self._numbers: list[int] = []
        self._rejections: list[Rejection] = []

    def _checked(self, piece: bytes, records: list[RecordT]) -> Batch[RecordT] | None:
        """Return the batch of a piece of JSON that was read as these records, None to look closer."""
        try:
            if not piece.isascii():
                piece.decode()  # msgspec reads over invalid UTF-8 in fields that it doesn't know
            sound = self._sound(piece, records)
        except (Inexact, InvalidOperation, UnicodeDecodeError):
            return None
        if sound is None:
            return None
        first = self.rows + 1
        self.rows += len(sound)
        return Batch(sound, range(first, self.rows + 1), [])


def patient_rows() -> RowReader[Patient]:
    """Return a reader of patients."""
    return RowReader(Model.PATIENT, Patient, _sound_patients)


def payment_rows() -> RowReader[Payment]:
    """Return a reader of payments."""
    return RowReader(Model.PAYMENT, Payment, _sound_payments)


def _sound_patients(piece: bytes, patients: list[Patient]) -> list[Patient] | None:
    ids: list[str] = list(map(_external_id, patients))
    first_names: list[str] = list(map(_first_name, patients))
    last_names: list[str] = list(map(_last_name, patients))
    middle_names: list[str] = list(filter(None, map(_middle_name, patients)))
    if not (_trimmed(ids) and all(map(str.strip, first_names)) and all(map(str.strip, last_names))):
        return None
    if not (_plain(piece) or _valid([*ids, *first_names, *last_names, *middle_names])):
        return None
    if any(patient.middle_name is not None and not patient.middle_name.strip() for patient in patients):
        return [_without_blank(patient) for patient in patients]
    return patients


def _sound_payments(piece: bytes, payments: list[Payment]) -> list[Payment] | None:
    if b"\\" in piece or (piece.count(b'"') != _QUOTES * len(payments) and _ODD_AMOUNT.search(piece)):
        return None
    ids: list[str] = list(map(_external_id, payments))
    patient_ids: list[str] = list(map(_patient_id, payments))
    if not (_trimmed(ids) and _trimmed(patient_ids)):
        return None
    if not (_plain(piece) or _valid([*ids, *patient_ids])):
        return None
    amounts: Iterable[Decimal] = map(quantized, map(_amount, payments), repeat(CENT))
    if b"-0" in piece:  # a negative zero, maybe
        amounts = [amount or _ZERO for amount in amounts]
    return list(map(Payment, ids, patient_ids, amounts))


def _trimmed(ids: list[str]) -> bool:
    text = "".join(ids)
    # Of all white space only the space is printable, and most ids hold none.
    return (text.isprintable() and " " not in text) or list(map(str.strip, ids)) == ids


def _valid(texts: list[str]) -> bool:
    text = "".join(texts)
    return text.isprintable() or not INVALID_TEXT.search(text)  # the former is quick, and true of nothing invalid


def _plain(piece: bytes) -> bool:
    """Whether no text in a piece of JSON can hold an invalid character: JSON has no control characters as such."""
    return piece.isascii() and b"\\" not in piece and b"\x7f" not in piece


def _without_blank(patient: Patient) -> Patient:
    if patient.middle_name is None or patient.middle_name.strip():
        return patient
    return msgspec.structs.replace(patient, middle_name=None)
