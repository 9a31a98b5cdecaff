"""Parses and checks rows: on a fast path, many at once, or on a slow path, row by row.

The fast path decodes a piece of JSON into records with msgspec and checks the whole piece at once. It returns None
unless all of its rows are valid and usual; the slow path then finds which rows are rejected and why. Both paths accept
the same rows.
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

_ZERO = Decimal("0.00")

# The three field names and two ids of a payment have ten quotes: with no more quotes, no amount is a string.
_QUOTES_PER_PAYMENT = 10

# An amount that is a string, but not written like a JSON number. Only reliable in text without a backslash: then no
# quote is part of a string, and no key is written with escapes.
_UNUSUAL_AMOUNT = re.compile(
    rb'"amount"[ \t\r\n]*:[ \t\r\n]*"(?!-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")',
)

_external_id = attrgetter("external_id")
_patient_id = attrgetter("patient_id")
_amount = attrgetter("amount")
_first_name = attrgetter("first_name")
_last_name = attrgetter("last_name")
_middle_name = attrgetter("middle_name")


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
        validate: takes a piece of JSON and its records; returns valid records, or None for the slow path. May raise
            Inexact, InvalidOperation or UnicodeDecodeError, which mean the same as None.
    """

    def __init__(
        self, model: Model, record: type[RecordT], validate: Callable[[bytes, list[RecordT]], list[RecordT] | None]
    ) -> None:
        self.last = 0
        self._model = model
        self._list: msgspec.json.Decoder[list[RecordT]] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]  # known at run time
        self._line: msgspec.json.Decoder[RecordT] = msgspec.json.Decoder(record)
        self._validate: Callable[[bytes, list[RecordT]], list[RecordT] | None] = validate
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
                records = self._list.decode(b"[%b]" % piece)
            except msgspec.ValidationError:
                return None  # a row is bad; another cut wouldn't help
            except msgspec.DecodeError:
                continue
            except (UnicodeDecodeError, RecursionError):
                return None
            batch = self._validated_batch(piece, records)
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
            records = self._line.decode_lines(piece)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._validated_batch(piece, records) if len(records) == ends + 1 else None

    def add(self, value: object) -> None:
        """Check one parsed value and add it to the batch that ``take_batch`` returns, as a record or a rejection."""
        self.last += 1
        try:
            record = check_row(self._model, value)
        except RowError as error:
            rejection = Rejection.of(self._model, self.last, error.external_id, error.field, error.code)
            self._rejections.append(rejection)
        else:
            self._records.append(cast(RecordT, record))
            self._numbers.append(self.last)

    def take_batch(self) -> Batch[RecordT] | None:
        """Return the rows added since the last call, or None if there are none."""
        records, numbers, rejections = self._records, self._numbers, self._rejections
        self._clear()
        if rejections or not records:
            return Batch(records, numbers, rejections) if rejections else None
        consecutive = range(numbers[0], numbers[-1] + 1)
        return Batch(records, consecutive if len(consecutive) == len(numbers) else numbers, [])

    def _clear(self) -> None:
        self._records: list[RecordT] = []
        self._numbers: list[int] = []
        self._rejections: list[Rejection] = []

    def _validated_batch(self, piece: bytes, records: list[RecordT]) -> Batch[RecordT] | None:
        """Return the batch of these records, decoded from ``piece``, or None if they need the slow path."""
        try:
            if not piece.isascii():
                piece.decode()  # msgspec ignores invalid UTF-8 in unknown fields
            valid = self._validate(piece, records)
        except (Inexact, InvalidOperation, UnicodeDecodeError):
            return None
        if valid is None:
            return None
        first = self.last + 1
        self.last += len(valid)
        return Batch(valid, range(first, self.last + 1), [])


def patient_rows() -> RowReader[Patient]:
    """Return a reader of the rows of a patient snapshot."""
    return RowReader(Model.PATIENT, Patient, _validated_patients)


def payment_rows() -> RowReader[Payment]:
    """Return a reader of the rows of a payment snapshot."""
    return RowReader(Model.PAYMENT, Payment, _validated_payments)


def _validated_patients(piece: bytes, patients: list[Patient]) -> list[Patient] | None:
    ids: list[str] = list(map(_external_id, patients))
    first_names: list[str] = list(map(_first_name, patients))
    last_names: list[str] = list(map(_last_name, patients))
    middle_names: list[str] = list(filter(None, map(_middle_name, patients)))
    if not (_are_trimmed(ids) and all(map(str.strip, first_names)) and all(map(str.strip, last_names))):
        return None
    if not (_has_no_invalid_text(piece) or _are_valid([*ids, *first_names, *last_names, *middle_names])):
        return None
    if any(patient.middle_name is not None and not patient.middle_name.strip() for patient in patients):
        return [_without_blank_middle_name(patient) for patient in patients]
    return patients


def _validated_payments(piece: bytes, payments: list[Payment]) -> list[Payment] | None:
    if b"\\" in piece or (piece.count(b'"') != _QUOTES_PER_PAYMENT * len(payments) and _UNUSUAL_AMOUNT.search(piece)):
        return None
    ids: list[str] = list(map(_external_id, payments))
    patient_ids: list[str] = list(map(_patient_id, payments))
    if not (_are_trimmed(ids) and _are_trimmed(patient_ids)):
        return None
    if not (_has_no_invalid_text(piece) or _are_valid([*ids, *patient_ids])):
        return None
    amounts: Iterable[Decimal] = map(quantized, map(_amount, payments), repeat(CENT))
    if b"-0" in piece:  # maybe a negative zero, which is stored as zero
        amounts = [amount or _ZERO for amount in amounts]
    return list(map(Payment, ids, patient_ids, amounts))


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


def _without_blank_middle_name(patient: Patient) -> Patient:
    if patient.middle_name is None or patient.middle_name.strip():
        return patient
    return msgspec.structs.replace(patient, middle_name=None)
