"""Parse query strings into the domain's queries and terms. Unknown or invalid parameters are refused, never ignored."""

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
from paymentagg.domain.money import AmountError, AmountRange, parse_total
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

_FILTERS = ("payment_min", "payment_max", "external_id")
"""The parameters that count as not sent if they are empty: forms send their empty fields."""

_LIMIT = re.compile(r"[1-9][0-9]{0,3}")

# A percent sign at the very end is unambiguous, and common: max_delete=50%
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}|\Z)")


class SyncQuery(msgspec.Struct, frozen=True):
    """A page of past syncs, newest first: those with ids below ``after``."""

    after: int | None = None
    limit: int = DEFAULT_LIMIT


def patient_query(query_string: str, *, paged: bool = True) -> PatientQuery:
    """Return the query for patients.

    Args:
        paged: False for an export, which takes neither ``limit`` nor ``after``.

    Raises:
        InvalidParameter: a parameter is unknown, repeated or invalid; names the first such.
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
    """Return the query for payments; arguments and errors are those of ``patient_query``."""
    values = _Parameters(query_string).read(PAYMENTS, paged=paged)
    query = PaymentQuery(values.get("external_id"), limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_query(query_string: str) -> SyncQuery:
    """Return the query for past syncs; errors are those of ``patient_query``."""
    values = _Parameters(query_string).read(SYNCS)
    query = SyncQuery(limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_terms(
    path: str, query_string: str, headers: Mapping[str, str], guard: DeletionLimit, principal: Principal
) -> Terms:
    """Return the terms of a sync, with the guard's limit unless the request sets its own.

    Raises:
        InvalidParameter: a parameter or the idempotency key is invalid.
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
        parameters=_canonical(path, values),
        by=principal.key_id,
    )


def _canonical(path: str, values: Mapping[str, Any]) -> str:
    """Return the path and the parameters of a sync in one form, however they were written; defaults are left out."""
    limit, taken_at = values.get("max_delete"), values.get("taken_at")
    parts = [path, "strict" if values.get("strict") else "", taken_at.isoformat() if taken_at else ""]
    if limit is not None:
        parts.insert(1, f"{limit.rows}" if limit.percent is None else f"{limit.percent.normalize():f}%")
    return " ".join(filter(None, parts))


def no_parameters(query_string: str) -> None:
    """Raise InvalidParameter if there is any parameter."""
    _Parameters(query_string).read(NOTHING)


def decoded_pairs(query_string: str) -> list[tuple[str, str]]:
    """Return names and values in their original order.

    Raises:
        InvalidParameter: a name or value isn't percent-encoded UTF-8, or has a ``;``, which some treat as ``&``.
    """
    pairs = []
    for field in filter(None, query_string.split("&")):
        name, _, value = field.partition("=")
        if ";" in field:
            raise InvalidParameter(name.partition(";")[0], "write a ; in a value as %3B; separate parameters by &")
        pairs.append((_decoded(name, name), _decoded(name, value)))
    return pairs


def _decoded(name: str, text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise InvalidParameter(name, "write a percent sign as %25")
    try:
        # WSGI decodes bytes as Latin-1 (PEP 3333).
        return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise InvalidParameter(name.encode("ascii", "replace").decode(), "must be UTF-8, percent-encoded") from None


class _Parameters:
    """The parameters of a request by name, aliases replaced; each may be sent only once."""

    def __init__(self, query_string: str) -> None:
        self.texts: dict[str, str] = {}
        self.name_of: dict[str, str] = {}
        sent_names = set()
        for sent, text in decoded_pairs(query_string):
            name = ALIASES.get(sent, sent)
            if sent in sent_names or (text and self.texts.get(name)):
                raise InvalidParameter(sent, "must be given only once")
            sent_names.add(sent)
            if text or name not in self.texts:
                self.texts[name] = text
                self.name_of[name] = sent

    def read(self, schema: Any, *, paged: bool = True) -> dict[str, Any]:  # colander has no types
        """Return the values by name; known filters with an empty value count as not sent.

        Raises:
            InvalidParameter: a parameter is unknown or invalid, or is one for pages where there are none.
        """
        given = {
            name: text for name, text in self.texts.items() if text or name not in _FILTERS or schema.get(name) is None
        }
        for name in _PAGING:
            if not paged and name in given:
                raise InvalidParameter(name, "can't be used for an export, which has no pages")
        try:
            return dict(schema.deserialize(given))
        except colander.UnsupportedFields as unknown:
            name = next(name for name in given if name in unknown.fields)
            raise InvalidParameter(self.name_of[name], "is not a known parameter here") from None
        except colander.Invalid as invalid:
            name, reason = next(iter(invalid.asdict().items()))
            raise InvalidParameter(self.name_of[name], reason) from None


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
"""The names of all parameters, aliases included."""
