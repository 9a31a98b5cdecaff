"""The figures in SQLAlchemy Core, from the totals and the record of syncs alone: payments are far more rows."""

from datetime import date, datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Text, bindparam, case, cast, func, literal, select
from typing_extensions import override

from paymentagg.adapters.sql.repositories import first_row, version_of
from paymentagg.adapters.sql.statements import LAST_SYNC, VERSION, json_row, json_rows, page_of, whole_number
from paymentagg.adapters.sql.tables import AFTER, COUNTS, payment_totals, syncs
from paymentagg.domain.model import Model
from paymentagg.domain.money import from_cents, to_cents
from paymentagg.domain.ports import StatisticsRepository
from paymentagg.domain.queries import Page
from paymentagg.domain.statistics import (
    Bin,
    Bounds,
    Counts,
    Figures,
    HistogramQuery,
    SyncDay,
    SyncFigures,
    TotalAfter,
    Totals,
)

_LastSync = tuple[int, datetime]
_Contents = list[tuple[int, str]]
_CountAndCents = tuple[int, int]

total = payment_totals.c.total_cents

_COUNTS = [f"{model.plural}_{count}" for model in Model for count in COUNTS]

_DayRow = tuple[date, int, int, int, int, int, int, int, int, int, int | None, int | None, int | None]
_SyncRow = tuple[int, datetime, int, int, int, int, int, int, int, int, int | None, int | None, int | None, int | None]


class SqlStatistics(StatisticsRepository):
    """The figures."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def version(self) -> str:
        found = first_row(self._connection, LAST_SYNC, {})
        return version_of(None if found is None else found[0])

    @override
    def figures(self) -> Page[Figures]:
        version, *values = first_row(self._connection, _figures(), {})
        finished = None if version is None else msgspec.json.decode(version, type=_LastSync)[1]
        return Page([Totals(*values).figures(finished)], more=False, version=version_of(version))

    @override
    def histogram(self, query: HistogramQuery) -> Page[Bin]:
        minimum, maximum = query.total.minimum, query.total.maximum
        limits = {
            "minimum": None if minimum is None else to_cents(minimum),
            "maximum": None if maximum is None else to_cents(maximum),
        }
        shape = (minimum is not None, maximum is not None)
        while True:
            version, smallest, largest = first_row(self._connection, _extent(shape), limits)
            if smallest is None:
                return Page([], more=False, version=version_of(version))
            bounds = Bounds.around(smallest, largest, query.bins)
            edges = {"start": bounds.start, "end": bounds.end, "step": bounds.step}
            same, contents = first_row(self._connection, _contents(shape), limits | edges)
            if same == version:  # else a sync has changed totals meanwhile
                found = msgspec.json.decode(contents, type=_Contents)
                bins = bounds.bins({start: msgspec.json.decode(both, type=_CountAndCents) for start, both in found})
                return Page(bins, more=False, version=version_of(version))

    @override
    def days(self, first: date) -> Page[SyncDay]:
        version, rows = first_row(self._connection, _days(), {"first": f"{first.isoformat()} 00:00:00.000000"})
        days = [_day(row) for row in msgspec.json.decode(rows or "[]", type=list[_DayRow])]
        return Page(days, more=False, version=version_of(version))

    @override
    def latest(self, count: int, *, by: str | None = None) -> Page[SyncFigures]:
        parameters = {"limit": count + 1, "by": by}
        version, rows = first_row(self._connection, _latest(by=by is not None), parameters)
        found = [_sync(row) for row in msgspec.json.decode(rows or "[]", type=list[_SyncRow])]
        return Page(found[:count], more=len(found) > count, version=version_of(version))


@cache
def _figures() -> Select[Any]:
    """Select the version and the fields of Totals in their order; the extremes and the middle are read by an index."""
    counted = select(
        func.count().label("patients"),
        whole_number(func.sum(payment_totals.c.payment_count)).label("payments"),
        whole_number(func.sum(total)).label("cents"),
    ).cte("counted")
    patients = select(counted.c.patients).scalar_subquery()
    middle = select(total.label("cents")).order_by(total).limit(2 - patients % 2).offset((patients - 1) // 2).subquery()
    without = select(func.count()).where(total == 0, payment_totals.c.payment_count == 0)
    return select(
        LAST_SYNC.scalar_subquery(),
        *counted.c,
        without.scalar_subquery(),
        select(func.max(total)).scalar_subquery(),
        select(func.min(total)).scalar_subquery(),
        select(whole_number(func.sum(middle.c.cents))).scalar_subquery(),
    )


@cache
def _extent(shape: tuple[bool, bool]) -> Select[Any]:
    """Select the version, the smallest and the largest total in the range; ``shape``: it has a minimum, a maximum."""
    extremes = (select(extreme(total)).where(*_in_range(shape)) for extreme in (func.min, func.max))
    return select(VERSION.scalar_subquery(), *(extreme.scalar_subquery() for extreme in extremes))


@cache
def _contents(shape: tuple[bool, bool]) -> Select[Any]:
    """Select the version, and start, number and sum of the totals of each bin: one range of the index for each."""
    first, step, end = (cast(bindparam(name), BigInteger) for name in ("start", "step", "end"))
    starts = select(first.label("start")).cte("starts", recursive=True)
    following = starts.c.start + step
    starts = starts.union_all(select(following).where(following < end))
    start = starts.c.start
    # The last bin includes its end.
    above = start + step + case((start + step == end, 1), else_=0)
    inside = (total >= start, total < above, *_in_range(shape))
    # Concatenated, it is a text: SQLite's json_array could take the JSON for an array.
    both = json_row(func.count(), whole_number(func.sum(total))).concat(literal("", Text))
    bins = select(
        start, select(both).where(*inside).select_from(payment_totals).scalar_subquery().label("both")
    ).subquery()
    return select(VERSION.scalar_subquery(), select(json_rows(*bins.c)).scalar_subquery())


def _in_range(shape: tuple[bool, bool]) -> list[ColumnElement[bool]]:
    both = (total >= bindparam("minimum"), total <= bindparam("maximum"))
    return [condition for condition, is_set in zip(both, shape, strict=True) if is_set]


@cache
def _days() -> Select[Any]:
    """Select the version, and the days from the parameter ``first`` on as rows of ``_DayRow``."""
    day = func.date(syncs.c.finished_at, type_=Text()).label("day")
    days = (
        select(
            day,
            func.count().label("syncs"),
            *(whole_number(func.sum(syncs.c[name])).label(name) for name in _COUNTS),
            func.max(syncs.c.id).label("last"),
        )
        .where(syncs.c.finished_at >= bindparam("first", type_=Text()))
        .group_by(day)
        .subquery("days")
    )
    after = syncs.alias("after")
    rows = select(days.c.day, days.c.syncs, *(days.c[name] for name in _COUNTS), *(after.c[name] for name in AFTER))
    return page_of(rows.join(after, after.c.id == days.c.last).order_by(days.c.day), changes=False)


@cache
def _latest(*, by: bool) -> Select[Any]:
    """Select the version, and the last ``limit`` syncs, of the API key ``by`` if ``by``, as rows of ``_SyncRow``."""
    columns = (syncs.c[name] for name in ("id", "finished_at", *_COUNTS, *AFTER, "undoes"))
    rows = select(*columns).order_by(syncs.c.id.desc()).limit(bindparam("limit"))
    return page_of(rows.where(syncs.c.key_id == bindparam("by")) if by else rows, changes=False)


def _day(row: _DayRow) -> SyncDay:
    day, number, *counts = row[:10]
    return SyncDay(day, number, Counts(*counts[:4]), Counts(*counts[4:]), _total_after(*row[10:]))


def _sync(row: _SyncRow) -> SyncFigures:
    sync_id, finished_at, *counts = row[:10]
    *after, undoes = row[10:]
    return SyncFigures(sync_id, finished_at, Counts(*counts[:4]), Counts(*counts[4:]), _total_after(*after), undoes)


def _total_after(patients: int | None, payments: int | None, cents: int | None) -> TotalAfter | None:
    if patients is None or payments is None or cents is None:
        return None
    return TotalAfter(patients, payments, from_cents(cents))
