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
from paymentagg.domain.search import MAX_SEARCH, search_words
from paymentagg.domain.statistics import MAX_BINS, MAX_DAYS
from paymentagg.domain.taken_at import parse_taken_at, parse_time
from paymentagg.domain.text import INVALID_TEXT, MAX_TEXT, is_storable
from paymentagg.entrypoints.http.parameters.query_string import ALIASES

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_SYNC_ID = re.compile(r"[1-9][0-9]{0,17}")


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


def _up_to(maximum: int) -> Callable[[str], int]:
    """Return a function that parses a number from 1 to ``maximum``, which has at most four digits."""

    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or int(text) > maximum:
            raise ValueError(f"must be a number from 1 to {maximum}")
        return int(text)

    return parse


_limit = _up_to(MAX_LIMIT)


def _sort(text: str) -> tuple[SortKey, bool]:
    try:
        return SortKey(text.removeprefix("-")), text.startswith("-")
    except ValueError:
        raise ValueError(f"must be one of {', '.join(SortKey)}, with or without - before it") from None


def _external_id(text: str) -> str:
    # Refuse only what can't be an id; an unknown id has no payments.
    if not is_storable(text):
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


def _search(text: str) -> tuple[str, ...]:
    if len(text) > MAX_SEARCH or INVALID_TEXT.search(text):
        raise ValueError(f"must be at most {MAX_SEARCH} characters, no control characters")
    words = search_words(text)
    if not words:
        raise ValueError("must have a letter, a digit or another character to look for; leave it out to find all")
    return words


def _exact(text: str) -> bool:
    if text != "exact":
        raise ValueError("must be exact, or left out")
    return True


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _taken_at(text: str) -> datetime:
    return parse_taken_at(text, datetime.now(UTC))


def sync_id(text: str) -> int:
    """Return the id of a sync; raise ValueError if it can't be one."""
    if not _SYNC_ID.fullmatch(text):
        raise ValueError("must be the id of a sync, such as 7")
    return int(text)


def _schema(**parsers: Callable[[str], object]) -> Any:  # colander has no types
    nodes = [colander.SchemaNode(_Parsed(parse), name=name, missing=colander.drop) for name, parse in parsers.items()]
    return colander.SchemaNode(colander.Mapping(unknown="raise"), *nodes)


def _of_data(**parsers: Callable[[str], object]) -> Any:
    """Return a schema for reading data, which may be read from a replica."""
    return _schema(**parsers, min_sync=sync_id)


PATIENTS = _of_data(
    q=_search,
    payment_min=_amount,
    payment_max=_amount,
    updated_since=parse_time,
    sort=_sort,
    count=_exact,
    limit=_limit,
    after=str,
    bom=_flag,
)
PAYMENTS = _of_data(
    external_id=_external_id, updated_since=parse_time, count=_exact, limit=_limit, after=str, bom=_flag
)
SYNCS = _of_data(limit=_limit, after=str)
CHANGES = _of_data(model=_model, kind=_kind, limit=_limit, after=str)
REJECTIONS = _of_data(model=_model, limit=_limit, after=str)
HISTORY = _of_data(patient=_external_id, payment=_external_id, limit=_limit, after=str)
TERMS = _schema(dry_run=_flag, strict=_flag, max_delete=DeletionLimit.parse, taken_at=_taken_at)
UNDO = _schema(dry_run=_flag)
ONE = _of_data()
NOTHING = _schema()

HISTOGRAM = _of_data(bins=_up_to(MAX_BINS), payment_min=_amount, payment_max=_amount)
DAYS = _of_data(days=_up_to(MAX_DAYS))

SCHEMAS = (ONE, PATIENTS, PAYMENTS, SYNCS, CHANGES, REJECTIONS, HISTORY, HISTOGRAM, DAYS, TERMS, UNDO)
PARAMETERS = {node.name for schema in SCHEMAS for node in schema.children} | {*ALIASES}
"""The names of all parameters, aliases included."""
