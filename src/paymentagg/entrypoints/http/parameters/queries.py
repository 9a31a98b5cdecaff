"""The domain's queries and terms, made of the parameters of a request."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from paymentagg.domain.access import Principal
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.history import HistoryQuery, RejectionsQuery, SyncChangesQuery
from paymentagg.domain.model import Model
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey
from paymentagg.domain.statistics import DEFAULT_BINS, DEFAULT_DAYS, HistogramQuery
from paymentagg.domain.terms import Terms
from paymentagg.domain.text import is_storable
from paymentagg.entrypoints.http.cursors import PLACE, PLACE_IN_HISTORY, read_cursor
from paymentagg.entrypoints.http.errors import NotFound
from paymentagg.entrypoints.http.parameters import schemas
from paymentagg.entrypoints.http.parameters.query_string import Parameters, decoded_pairs
from paymentagg.entrypoints.http.parameters.schemas import (
    CHANGES,
    DAYS,
    DEFAULT_LIMIT,
    HISTOGRAM,
    HISTORY,
    NOTHING,
    ONE,
    PATIENTS,
    PAYMENTS,
    REJECTIONS,
    SYNCS,
    TERMS,
    UNDO,
)

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")


class SyncQuery(msgspec.Struct, frozen=True):
    """A page of past syncs, newest first: those with ids below ``after``."""

    after: int | None = None
    limit: int = DEFAULT_LIMIT


def patient_query(query_string: str, *, paged: bool = True, csv: bool = False) -> PatientQuery:
    """Return the query for patients.

    Args:
        paged: False for an export, which takes neither ``limit`` nor ``after``.
        csv: True for an export as CSV, the only one that takes ``bom``.

    Raises:
        InvalidParameter: a parameter is unknown, repeated or invalid; names the first such.
    """
    sent = Parameters(query_string)
    values = sent.read(PATIENTS, paged=paged, csv=csv)
    total = _total(sent, values)
    sort, descending = values.get("sort", (SortKey.ID, False))
    query = PatientQuery(
        total,
        sort,
        descending,
        limit=values.get("limit", DEFAULT_LIMIT),
        words=values.get("q", ()),
        updated_since=values.get("updated_since"),
        count=values.get("count", False),
    )
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"], sort))
    return query


def _total(sent: Parameters, values: Mapping[str, Any]) -> AmountRange:
    """Return the range of totals; raise InvalidParameter if it can't contain any."""
    total = AmountRange(values.get("payment_min"), values.get("payment_max"))
    if total.minimum is not None and total.maximum is not None and total.minimum > total.maximum:
        raise InvalidParameter(sent.name_of["payment_min"], "is greater than the maximum")
    return total


def histogram_query(query_string: str) -> HistogramQuery:
    """Return the query for a histogram; errors are those of ``patient_query``."""
    sent = Parameters(query_string)
    values = sent.read(HISTOGRAM)
    return HistogramQuery(values.get("bins", DEFAULT_BINS), _total(sent, values))


def days_query(query_string: str) -> int:
    """Return the number of days, today included; errors are those of ``patient_query``."""
    days: int = Parameters(query_string).read(DAYS).get("days", DEFAULT_DAYS)
    return days


def payment_query(query_string: str, *, paged: bool = True, csv: bool = False) -> PaymentQuery:
    """Return the query for payments; arguments and errors are those of ``patient_query``."""
    values = Parameters(query_string).read(PAYMENTS, paged=paged, csv=csv)
    query = PaymentQuery(
        values.get("external_id"),
        limit=values.get("limit", DEFAULT_LIMIT),
        updated_since=values.get("updated_since"),
        count=values.get("count", False),
    )
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_query(query_string: str) -> SyncQuery:
    """Return the query for past syncs; errors are those of ``patient_query``."""
    values = Parameters(query_string).read(SYNCS)
    query = SyncQuery(limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"])[0])
    return query


def sync_id(text: str) -> int:
    """Return the id of a sync in a path; raise NotFound if it can't be one."""
    try:
        return schemas.sync_id(text)
    except ValueError:
        raise NotFound from None


def external_id(text: str) -> str:
    """Return the external id of a row in a path; raise NotFound if it can't be one."""
    if not is_storable(text):
        raise NotFound
    return text


def changes_query(sync: int, query_string: str) -> SyncChangesQuery:
    """Return the query for the changes of a sync; errors are those of ``patient_query``."""
    values = Parameters(query_string).read(CHANGES)
    limit = values.get("limit", DEFAULT_LIMIT)
    query = SyncChangesQuery(sync, values.get("model"), values.get("kind"), limit=limit)
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"], shape=PLACE))
    return query


def rejections_query(sync: int, query_string: str) -> RejectionsQuery:
    """Return the query for the rejected rows of a sync; errors are those of ``patient_query``."""
    values = Parameters(query_string).read(REJECTIONS)
    query = RejectionsQuery(sync, values.get("model"), limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"], shape=PLACE))
    return query


def history_query(query_string: str) -> HistoryQuery:
    """Return the query for the history of a row; errors are those of ``patient_query``.

    Raises:
        InvalidParameter: neither a patient nor a payment is named, or both are.
    """
    sent = Parameters(query_string)
    values = sent.read(HISTORY)
    if "patient" in values and "payment" in values:
        raise InvalidParameter("payment", "can't be combined with patient; ask for one of them")
    if "patient" not in values and "payment" not in values:
        raise InvalidParameter("patient", "is needed, or payment: the external id whose history to return")
    model = Model.PATIENT if "patient" in values else Model.PAYMENT
    query = HistoryQuery(model, values[model], limit=values.get("limit", DEFAULT_LIMIT))
    if "after" in values:
        query = msgspec.structs.replace(query, after=read_cursor(query, values["after"], shape=PLACE_IN_HISTORY))
    return query


def sync_terms(
    path: str, query_string: str, headers: Mapping[str, str], guard: DeletionLimit, principal: Principal
) -> Terms:
    """Return the terms of a sync, with the guard's limit unless the request sets its own.

    Raises:
        InvalidParameter: a parameter or the idempotency key is invalid.
        Forbidden: the limit is above the guard's, and the principal may not raise it.
    """
    key = _idempotency_key(headers, principal)
    values = Parameters(query_string).read(TERMS)
    limit = values.get("max_delete", guard)
    principal.check_limit(limit, guard)
    return Terms(
        limit=limit,
        strict=values.get("strict", False),
        dry_run=values.get("dry_run", False),
        taken_at=values.get("taken_at"),
        key=key,
        parameters=_canonical(path, values),
        by=principal.key_id,
    )


def undo_terms(
    path: str, query_string: str, headers: Mapping[str, str], guard: DeletionLimit, principal: Principal
) -> Terms:
    """Return the terms of an undo; the guard is only a part of them, and doesn't apply.

    Raises:
        InvalidParameter: a parameter or the idempotency key is invalid.
    """
    key = _idempotency_key(headers, principal)
    dry_run = Parameters(query_string).read(UNDO).get("dry_run", False)
    return Terms(guard, dry_run=dry_run, key=key, parameters=path, by=principal.key_id)


def _idempotency_key(headers: Mapping[str, str], principal: Principal) -> str | None:
    key = headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidParameter(IDEMPOTENCY_KEY, "must be 1 to 255 visible ASCII characters")
    return None if key is None else principal.own(key)


def _canonical(path: str, values: Mapping[str, Any]) -> str:
    """Return the path and the parameters of a sync in one form, however they were written; defaults are left out."""
    limit, taken_at = values.get("max_delete"), values.get("taken_at")
    parts = [path, "strict" if values.get("strict") else "", taken_at.isoformat() if taken_at else ""]
    if limit is not None:
        parts.insert(1, f"{limit.rows}" if limit.percent is None else f"{limit.percent.normalize():f}%")
    return " ".join(filter(None, parts))


def no_filters(query_string: str) -> None:
    """Raise InvalidParameter if there is any parameter but those that all reads of data have, or one is invalid."""
    Parameters(query_string).read(ONE)


def min_sync(query_string: str) -> int | None:
    """Return the id of the sync that the response must include; None if there is none, or it isn't valid."""
    if not query_string:
        return None
    try:
        found = dict(decoded_pairs(query_string)).get("min_sync")
        return None if found is None else schemas.sync_id(found)
    except (InvalidParameter, ValueError):
        return None  # the page that says so reads data too


def no_parameters(query_string: str) -> None:
    """Raise InvalidParameter if there is any parameter."""
    Parameters(query_string).read(NOTHING)


def known_names(query_string: str) -> list[str]:
    """Return the names of the known parameters, sorted; ``?`` for all others: they could be patients' names."""
    try:
        sent = {name for name, _ in decoded_pairs(query_string)}
    except InvalidParameter:
        return ["?"]
    return sorted({name if name in schemas.PARAMETERS else "?" for name in sent})
