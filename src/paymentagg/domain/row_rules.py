"""The rules for one row of a snapshot, independent of the JSON parser.

A row is a mapping of field names to values, in which a JSON number is a ``Number``, its unchanged text. The first
rule that a row breaks raises RowError; the external id is checked first.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.money import AmountError, parse_amount
from paymentagg.domain.text import INVALID_TEXT, MAX_SHOWN, MAX_TEXT, shown

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Number(str):
    """The text of a JSON number."""

    __slots__ = ()


class RowError(ValueError):
    """A row breaks a rule. The attributes are those of a ``Rejection``."""

    def __init__(self, code: str, field: str | None, external_id: str | None, value: str | None) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.external_id = external_id
        self.value = value


class _FieldError(ValueError):
    """A value breaks a rule; the caller adds the field and the external id."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def check_row(model: Model, row: object) -> Patient | Payment:
    """Return the record in a row; fields that the model doesn't have are ignored.

    Raises:
        RowError: the first rule that the row breaks.
    """
    if type(row) is not dict and not isinstance(row, Mapping):  # the first test is fast, and usually enough
        raise RowError("not-an-object", None, None, shown(_json(row)))
    external_id = None
    name = "externalId"
    try:
        external_id = _identifier(row.get(name))
        if model is Model.PATIENT:
            first_name = _name(row.get(name := "firstName"))
            last_name = _name(row.get(name := "lastName"))
            middle_name = _optional_name(row.get(name := "middleName"))
            return Patient(external_id, first_name, last_name, middle_name, _date(row.get(name := "dateOfBirth")))
        patient_id = _identifier(row.get(name := "patientId"))
        return Payment(external_id, patient_id, _amount(row.get(name := "amount")))
    except (_FieldError, AmountError) as error:
        raise RowError(error.code, name, external_id, _value(row.get(name))) from None


def _value(sent: object) -> str | None:
    """Return the value of a field as in a ``Rejection``."""
    if sent is None:
        return None
    return shown(str(sent) if isinstance(sent, str) else _json(sent))


def _json(value: object) -> str:
    """Return the JSON text of a value, without white space, and not all of it if it is longer than MAX_SHOWN."""
    if isinstance(value, Number):
        return str(value[: MAX_SHOWN + 1])
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > MAX_SHOWN:
            break
    return text


def _pieces(value: object) -> Iterator[str]:
    """Yield the JSON text of a value. Each level of nesting yields a character, so ``_json`` limits the depth."""
    if isinstance(value, Number):
        yield value[: MAX_SHOWN + 1]
    elif isinstance(value, str):
        yield json.dumps(value[: MAX_SHOWN + 1], ensure_ascii=False)
    elif isinstance(value, Mapping):
        for position, (name, each) in enumerate(value.items()):
            yield "," if position else "{"
            yield from _pieces(name)
            yield ":"
            yield from _pieces(each)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield "," if position else "["
            yield from _pieces(each)
        yield "]" if value else "[]"
    else:
        yield json.dumps(value)


def _required_text(value: object) -> str:
    if value is None:
        raise _FieldError("missing")
    if not isinstance(value, str) or isinstance(value, Number):
        raise _FieldError("wrong-type")
    return value


def _valid_text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise _FieldError("too-long")
    if INVALID_TEXT.search(text):
        raise _FieldError("invalid-text")
    return text


def _name(value: object) -> str:
    if type(value) is str and value.isprintable() and len(value) <= MAX_TEXT and value.strip():
        return value  # all invalid text is not printable
    text = _required_text(value)
    if not text.strip():
        raise _FieldError("blank")
    return _valid_text(text)


def _identifier(value: object) -> str:
    if type(value) is str and value.isprintable() and 0 < len(value) <= MAX_TEXT and " " not in value:
        return value  # all invalid text, and white space other than the space, is not printable
    text = _required_text(value)
    if not text.strip():
        raise _FieldError("blank")
    if text != text.strip():
        raise _FieldError("untrimmed")
    return _valid_text(text)


def _optional_name(value: object) -> str | None:
    if value is None:
        return None
    text = _valid_text(_required_text(value))
    return text if text.strip() else None


def _date(value: object) -> date | None:
    if value is None:
        return None
    text = _required_text(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _FieldError("invalid-date")


def _amount(value: object) -> Decimal:
    if value is None:
        raise _FieldError("missing")
    if not isinstance(value, str):
        raise _FieldError("wrong-type")
    return parse_amount(value)
