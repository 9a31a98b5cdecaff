"""The pages of patients: by the index of the sort key, or, for a search, in the order in which patients are stored.

A search has to look at all patients; in the order of an index it would take ten times as long.
"""

from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
    union_all,
)

from paymentagg.adapters.sql.patient_clauses import (
    SORT_KEYS,
    UNINDEXED_TOTAL,
    Keys,
    Shape,
    counting,
    following,
    select_patients,
    view_columns,
)
from paymentagg.adapters.sql.statements import page_of
from paymentagg.adapters.sql.tables import patients, payment_totals
from paymentagg.domain.queries import SortKey

_ALL = literal_column(str(2**62), Integer())
"""More than all rows. A subquery with a limit is planned by itself: the databases don't move its conditions."""

_RARE = 100
"""Patients in a range are rare if they are at most one in so many: then sorting them takes SQLite less than a walk."""


def patients_page(shape: Shape, *, after: bool, sqlite: bool) -> Select[Any]:
    """Return the statement for a page of patients, and for what is counted with it.

    Args:
        after: only patients after the position in the parameters.
        sqlite: for SQLite, which doesn't know how many patients are in a range; PostgreSQL has statistics.
    """
    if shape.scans:
        return _scanned_page(shape, after=after)
    counted = None
    if shape.count:
        cents = payment_totals.c.total_cents if shape.sum else None
        counted = counting(cents).select_from(payment_totals).where(*shape.of_totals)
    by_text = shape.sort in (SortKey.EXTERNAL_ID, SortKey.LAST_NAME)
    page = _ranged_page if sqlite and shape.has_range and by_text else _indexed_page
    return page_of(page(shape, after=after), changes=True, count=counted)


def _indexed_page(shape: Shape, *, after: bool) -> Select[Any]:
    """Select the page's rows first, from ``payment_totals`` alone if it has the sort key, and then their columns."""
    key = SORT_KEYS[shape.sort]
    conditions = [*shape.of_totals, *following(shape, key, after=after)]
    if all(column.table is payment_totals for column in key):
        totals = select(payment_totals).where(*conditions).order_by(*shape.order(key))
        found = totals.limit(bindparam("limit")).subquery("found")
        return select_patients(found).order_by(*shape.order([found.c[column.name] for column in key]))
    return select_patients().where(*conditions).order_by(*shape.order(key)).limit(bindparam("limit"))


def _ranged_page(shape: Shape, *, after: bool) -> Select[Any]:
    """Walk the index of the sort key until the page is full, or sort all patients in the range if they are rare.

    The largest id stands for the number of patients, which would have to be counted. The other way has a limit of 0, so
    that SQLite doesn't begin it.
    """
    key = SORT_KEYS[shape.sort]
    order, condition = shape.order(key), following(shape, key, after=after)
    rare = func.coalesce(select(func.max(payment_totals.c.patient_id)).scalar_subquery() // _RARE, 0)
    next_one = select(literal(1)).select_from(payment_totals).where(*shape.of_totals).limit(1).offset(rare)
    common = select(next_one.scalar_subquery().is_not(None).label("common")).cte("ranges")
    is_common = cast(select(common.c.common).scalar_subquery(), Integer)
    limit = bindparam("limit", type_=Integer())
    walked = select_patients().where(*shape.of_unindexed_totals, *condition).order_by(*order).limit(limit * is_common)
    in_range = select(payment_totals).where(*shape.of_totals).limit(_ALL * (1 - is_common)).subquery("in_range")
    # With IS the join stays an outer one; otherwise SQLite may walk an index of the patients in this case too.
    later = [each.is_(true()) for each in condition]
    ordered = select_patients(in_range).where(*later).order_by(*order).limit(limit)
    found = union_all(select(walked.subquery("walked")), select(ordered.subquery("ordered"))).subquery("found")
    return select(found).order_by(*shape.order([found.c[column.name] for column in key]))


def _scanned_page(shape: Shape, *, after: bool) -> Select[Any]:
    """Select the keys of all matching patients first, then those of the page, and then the page's columns.

    If the patients are counted, the keys are kept for both, so that all patients are looked at only once.
    """
    scan = _scan(shape)
    names = [f"key_{place}" for place in range(len(scan.keys))]
    named = [key.label(name) for key, name in zip(scan.keys, names, strict=True)]
    page = select(scan.row_id.label("id"), *named).select_from(scan.source).where(*scan.conditions)
    keys, counted = scan.keys, None
    if shape.count and scan.source is patients:  # reading for the page ends early, so there are no keys to keep
        counted = counting(None).select_from(patients).where(*scan.conditions)
    elif shape.count:
        cents = payment_totals.c.total_cents.label("cents")
        matching = (page.add_columns(cents) if shape.sum else page).cte("matching_keys")
        keys = tuple(matching.c[name] for name in names)
        counted = counting(matching.c.cents if shape.sum else None).select_from(matching)
        page = select(matching.c.id, *keys)
    page = page.where(*following(shape, keys, after=after)).order_by(*shape.order(keys))
    found = page.limit(bindparam("limit")).subquery("found")
    rows = found.outerjoin(patients, patients.c.id == found.c.id)
    rows = rows.outerjoin(payment_totals, payment_totals.c.patient_id == found.c.id)
    order = shape.order([found.c[name] for name in names])
    return page_of(
        select(*view_columns(payment_totals)).select_from(rows).order_by(*order), changes=True, count=counted
    )


class _Scan(msgspec.Struct, frozen=True):
    """The patients that match a search, if ``conditions`` are applied, and the sort keys."""

    source: FromClause
    row_id: ColumnElement[int]
    keys: Keys
    conditions: list[ColumnElement[bool]]


def _scan(shape: Shape) -> _Scan:
    needs_totals = shape.sum or shape.has_range or shape.sort is SortKey.PAYMENT_TOTAL
    if shape.sort is SortKey.ID and not needs_totals:
        # The order in which patients are stored: reading ends with the page.
        return _Scan(patients, patients.c.id, (patients.c.id,), shape.of_patients)
    text = {SortKey.EXTERNAL_ID: patients.c.external_id, SortKey.LAST_NAME: patients.c.last_name}.get(shape.sort)
    columns = [patients.c.id] if text is None else [patients.c.id, text]
    matching = select(*columns).where(*shape.of_patients).limit(_ALL).subquery("matching")
    row_id, *first = matching.c
    if shape.sort is SortKey.PAYMENT_TOTAL:
        keys: Keys = (UNINDEXED_TOTAL, row_id)
    else:
        keys = (*first,) if shape.sort is SortKey.EXTERNAL_ID else (*first, row_id)
    source: FromClause = matching
    if needs_totals:
        source = matching.join(payment_totals, payment_totals.c.patient_id == row_id)
    return _Scan(source, row_id, keys, shape.of_totals)
