"""The parameters of each resource, and how to parse their values."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import colander

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.model import Model
from paymentagg.domain.money import AmountError, parse_total
from paymentagg.domain.queries import SortKey
from paymentagg.domain.taken_at import parse_taken_at
from paymentagg.domain.text import INVALID_TEXT, MAX_TEXT
from paymentagg.entrypoints.http.parameters.query_string import ALIASES

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

_LIMIT = re.compile(r"[1-9][0-9]{0,3}")


class _Parsed:
    """A colander type that parses text by a function; the message of its ValueError becomes the reason.

    colander's own number types accept NaN, 1e400 and digits of any script.
    """

    def __init__(self, parse: Callable[[str], object]) -> None:
        self.parse = parse

    def deserialize(self, node: object, text: str) -> object:
        try:
            return self.parse(text)
        except ValueError as error:
            raise colander.Invalid(node, str(error)) from None


def _amount(text: str) -> Decimal:
    try:
        return parse_total(text)
    except AmountError as error:
        raise ValueError(f"must be an amount such as 7.10 ({error.code})") from None


def _limit(text: str) -> int:
    if not _LIMIT.fullmatch(text) or int(text) > MAX_LIMIT:
        raise ValueError(f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _sort(text: str) -> tuple[SortKey, bool]:
    try:
        return SortKey(text.removeprefix("-")), text.startswith("-")
    except ValueError:
        raise ValueError(f"must be one of {', '.join(SortKey)}, with or without - before it") from None


def _external_id(text: str) -> str:
    # Refuse only what can't be an id; an unknown id has no payments.
    if len(text) > MAX_TEXT or INVALID_TEXT.search(text):
        raise ValueError(f"must be an id: at most {MAX_TEXT} characters, no control characters")
    return text


def _model(text: str) -> Model:
    if text not in list(Model):
        raise ValueError(f"must be {' or '.join(Model)}")
    return Model(text)


def _kind(text: str) -> ChangeKind:
    if text not in list(ChangeKind):
        raise ValueError(f"must be one of {', '.join(ChangeKind)}")
    return ChangeKind(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _taken_at(text: str) -> datetime:
    return parse_taken_at(text, datetime.now(UTC))


def _schema(**parsers: Callable[[str], object]) -> Any:  # colander has no types
    nodes = [colander.SchemaNode(_Parsed(parse), name=name, missing=colander.drop) for name, parse in parsers.items()]
    return colander.SchemaNode(colander.Mapping(unknown="raise"), *nodes)


PATIENTS = _schema(payment_min=_amount, payment_max=_amount, sort=_sort, limit=_limit, after=str)
PAYMENTS = _schema(external_id=_external_id, limit=_limit, after=str)
SYNCS = _schema(limit=_limit, after=str)
CHANGES = _schema(model=_model, kind=_kind, limit=_limit, after=str)
REJECTIONS = _schema(model=_model, limit=_limit, after=str)
HISTORY = _schema(patient=_external_id, payment=_external_id, limit=_limit, after=str)
TERMS = _schema(dry_run=_flag, strict=_flag, max_delete=DeletionLimit.parse, taken_at=_taken_at)
NOTHING = _schema()

_ALL = (PATIENTS, PAYMENTS, SYNCS, CHANGES, REJECTIONS, HISTORY, TERMS)
PARAMETERS = {node.name for schema in _ALL for node in schema.children} | {*ALIASES}
"""The names of all parameters, aliases included."""
