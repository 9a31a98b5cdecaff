"""Query strings become what the domain asks for. What isn't understood is refused, never passed over."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_to_bytes

import colander
import msgspec

from paymentagg.domain.access import Principal
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.money import CENT, AmountRange
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey
from paymentagg.domain.synchronization import Terms
from paymentagg.domain.taken_at import parse_taken_at
from paymentagg.domain.text import INVALID_TEXT, MAX_TEXT
from paymentagg.entrypoints.http.cursors import read_cursor

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100

ALIASES = {"payments_min": "payment_min", "payments_max": "payment_max"}
_PAGING = ("limit", "after")

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")

AMOUNT = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,2})?")
_LIMIT = re.compile(r"[0-9]{1,4}")

# A percent sign at the very end can only stand for itself, and is what people write: max_delete=50%
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}|\Z)")


class SyncQuery(msgspec.Struct, frozen=True):
    """Reports of syncs, newest first, from below the id ``after`` on."""

    after: int | None = None
    limit: int = DEFAULT_LIMIT


def patient_query(query_string: str, *, paged: bool = True) -> PatientQuery:
    """Return which patients are asked for.

    Args:
        paged: False where all of them go out at once: then ``limit`` and ``after`` make no sense.

    Raises:
        InvalidParameter: the first parameter that is unknown, repeated or not what it should be.
    """
    sent = _Parameters(query_string)
    values = sent.read(PATIENTS, paged=paged)
    total = AmountRange(values.get("payment_min"), values.get("payment_max"))
    if total.minimum is not None and total.maximum is not None and total.minimum > total.maximum:
        raise InvalidParameter(sent.name_of["payment_min"], "is greater than the maximum")
    sort, descending = values.get("sort", (SortKey.ID, False))
    query = PatientQuery(total, sort, descending, limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"], sort))
    return query


def payment_query(query_string: str, *, paged: bool = True) -> PaymentQuery:
    """Return which payments are asked for; arguments and errors are those of patient_query."""
    values = _Parameters(query_string).read(PAYMENTS, paged=paged)
    query = PaymentQuery(values.get("external_id"), limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_query(query_string: str) -> SyncQuery:
    """Return which reports of syncs are asked for; raises InvalidParameter."""
    values = _Parameters(query_string).read(SYNCS)
    query = SyncQuery(limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_terms(query_string: str, headers: Mapping[str, str], guard: DeletionLimit, principal: Principal) -> Terms:
    """Return how a sync is to be done for whom, with the guard's limit where it brings none of its own.

    Raises:
        InvalidParameter: a parameter or the idempotency key is not what it should be.
        Forbidden: the limit is above the guard's, and the principal may not raise it.
    """
    key = headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidParameter(IDEMPOTENCY_KEY, "must be 1 to 255 visible ASCII characters")
    values = _Parameters(query_string).read(TERMS)
    limit = values.get("max_delete", guard)
    principal.check_limit(limit, guard)
    return Terms(
        limit=limit,
        strict=values.get("strict", False),
        dry_run=values.get("dry_run", False),
        taken_at=values.get("taken_at"),
        key=None if key is None else principal.own(key),
        by=principal.key_id,
    )


def no_parameters(query_string: str) -> None:
    """Raise InvalidParameter where there is any."""
    _Parameters(query_string).read(NOTHING)


def decoded_pairs(query_string: str) -> list[tuple[str, str]]:
    """Return names and values in the order they were sent in.

    Raises:
        InvalidParameter: a name or value is no percent-encoded UTF-8, or has a ``;``, which some take for a ``&``.
    """
    pairs = []
    for field in filter(None, query_string.split("&")):
        name, _, value = field.partition("=")
        if ";" in field:
            raise InvalidParameter(name.partition(";")[0], "a ; must be written %3B, and between parameters &")
        pairs.append((_decoded(name, name), _decoded(name, value)))
    return pairs


def _decoded(name: str, text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise InvalidParameter(name, "a percent sign must be written %25")
    try:
        # WSGI hands over bytes in the guise of Latin-1.
        return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise InvalidParameter(name.encode("ascii", "replace").decode(), "must be UTF-8, percent-encoded") from None


class _Parameters:
    """What was sent: each parameter once, by its proper name. Empty values are dropped when read."""

    def __init__(self, query_string: str) -> None:
        self.texts: dict[str, str] = {}
        self.name_of: dict[str, str] = {}
        for sent, text in decoded_pairs(query_string):
            name = ALIASES.get(sent, sent)
            if name in self.texts:
                raise InvalidParameter(sent, "must be given once only")
            self.texts[name] = text
            self.name_of[name] = sent

    def read(self, schema: Any, *, paged: bool = True) -> dict[str, Any]:  # colander has no types
        given = {name: text for name, text in self.texts.items() if text or schema.get(name) is None}
        for name in _PAGING:
            if not paged and name in given:
                raise InvalidParameter(name, "an export has no pages")
        try:
            return dict(schema.deserialize(given))
        except colander.UnsupportedFields as unknown:
            name = next(name for name in given if name in unknown.fields)
            raise InvalidParameter(self.name_of[name], "is not known here") from None
        except colander.Invalid as invalid:
            name, reason = next(iter(invalid.asdict().items()))
            raise InvalidParameter(self.name_of[name], reason) from None


class _Parsed:
    """The colander type of values that a function makes of text; the function's ValueError says what is wrong.

    colander's own numbers take NaN, 1e400 and digits of any script.
    """

    def __init__(self, parse: Callable[[str], object]) -> None:
        self.parse = parse

    def deserialize(self, node: object, text: str) -> object:
        try:
            return self.parse(text)
        except ValueError as error:
            raise colander.Invalid(node, str(error)) from None


def _amount(text: str) -> Decimal:
    if not AMOUNT.fullmatch(text):
        raise ValueError("must be an amount such as 7.10")
    return Decimal(text).quantize(CENT) + 0  # plus zero, so that there is no -0.00


def _limit(text: str) -> int:
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _sort(text: str) -> tuple[SortKey, bool]:
    try:
        return SortKey(text.removeprefix("-")), text.startswith("-")
    except ValueError:
        raise ValueError(f"must be one of {', '.join(SortKey)}, with or without - before it") from None


def _external_id(text: str) -> str:
    # An id that could never be stored; one that just isn't has no payments.
    if len(text) > MAX_TEXT or INVALID_TEXT.search(text):
        raise ValueError(f"must be an id: at most {MAX_TEXT} characters, no control characters")
    return text


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
TERMS = _schema(dry_run=_flag, strict=_flag, max_delete=DeletionLimit.parse, taken_at=_taken_at)
NOTHING = _schema()

PARAMETERS = {node.name for schema in (PATIENTS, PAYMENTS, SYNCS, TERMS) for node in schema.children} | {*ALIASES}
"""All names that are known somewhere."""
