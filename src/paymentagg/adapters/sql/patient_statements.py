"""The statements for reading patients. Parameters: minimum, maximum, after_0, after_1, since, limit, word_0 and so on.

A page without a search is read by the index of its sort key. A search has to look at all patients, and does so in the
order in which they are stored; in the order of an index it would take ten times as long.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    asc,
    bindparam,
    desc,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from paymentagg.adapters.sql.statements import as_parameter, json_row, page_of, since
from paymentagg.adapters.sql.tables import patients, payment_totals
from paymentagg.domain.money import to_cents
from paymentagg.domain.queries import PatientQuery, SortKey

_CACHED = 512
"""How many statements are kept: clients send few different numbers of words, but could send many."""


class place_of(FunctionElement[int]):  # noqa: N801  named like an SQL function
    """The place of the second text in the first one, from 1; 0 if it isn't there. No character is special."""

    type = Integer()
    inherit_cache = True


@compiles(place_of, "postgresql")
def _(element: place_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"


@compiles(place_of, "sqlite")
def _(element: place_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


Keys = tuple[ColumnElement[Any], ...]

_SORT_KEYS: dict[SortKey, Keys] = {
    SortKey.ID: (payment_totals.c.patient_id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}

_UNINDEXED_TOTAL = payment_totals.c.total_cents + literal_column("0", Integer())

_ALL = literal_column(str(2**62), Integer())
"""More than all rows. A subquery with a limit is planned by itself: the databases don't move its conditions."""


class _Shape(msgspec.Struct, frozen=True):
    """What the statement of a query depends on, other than its parameters."""

    sort: SortKey
    descending: bool
    minimum: bool
    maximum: bool
    words: int
    updated: bool

    @classmethod
    def of(cls, query: PatientQuery) -> "_Shape":
        total = query.total
        bounds = (total.minimum is not None, total.maximum is not None)
        return cls(query.sort, query.descending, *bounds, len(query.words), query.updated_since is not None)

    @property
    def scans(self) -> bool:
        """Whether all patients have to be looked at."""
        return bool(self.words or self.updated)

    @property
    def has_range(self) -> bool:
        return self.minimum or self.maximum

    @property
    def of_totals(self) -> list[ColumnElement[bool]]:
        """The conditions of the range of totals."""
        total: ColumnElement[int] = _UNINDEXED_TOTAL if self.scans else payment_totals.c.total_cents
        conditions = ((total >= bindparam("minimum"), self.minimum), (total <= bindparam("maximum"), self.maximum))
        return [condition for condition, is_set in conditions if is_set]

    @property
    def of_patients(self) -> list[ColumnElement[bool]]:
        """The conditions of the search and of the time."""
        words = [
            place_of(patients.c.search_name, bindparam(f"word_{number}", type_=Text())) > 0
            for number in range(self.words)
        ]
        return [*words, since(patients.c.updated)] if self.updated else words

    def order(self, keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        return [(desc if self.descending else asc)(key) for key in keys]


def patients_page(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of patients, with up to ``limit`` + 1 rows, and its parameters."""
    statement = _patients_page(_Shape.of(query), query.after is not None, query.count)
    position = (value if isinstance(value, int | str) else to_cents(value) for value in query.after or ())
    after = {f"after_{place}": value for place, value in enumerate(position)}
    return statement, _parameters(query) | after | {"limit": query.limit + 1}


def all_patients(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all patients that match a query, and its parameters."""
    return _all_patients(_Shape.of(query)), _parameters(query)


@cache
def one_patient() -> Select[Any]:
    """Return the statement for the patient with the external id ``external_id``."""
    return page_of(_patients().where(patients.c.external_id == bindparam("external_id")), changes=True)


def _parameters(query: PatientQuery) -> dict[str, Any]:
    """Return the values of the conditions; bounds of totals are in cents."""
    both = {"minimum": query.total.minimum, "maximum": query.total.maximum}
    bounds = {name: to_cents(bound) for name, bound in both.items() if bound is not None}
    words = {f"word_{number}": word for number, word in enumerate(query.words)}
    return bounds | words | {"since": as_parameter(query.updated_since)}


@lru_cache(_CACHED)
def _patients_page(shape: _Shape, after: bool, count: bool) -> Select[Any]:
    rows = _scanned_page(shape, after=after) if shape.scans else _indexed_page(shape, after=after)
    return page_of(rows, changes=True, count=_count(shape) if count else None)


def _indexed_page(shape: _Shape, *, after: bool) -> Select[Any]:
    """Select the page's rows first, from ``payment_totals`` alone if it has the sort key, and then their columns."""
    key = _SORT_KEYS[shape.sort]
    conditions = [*shape.of_totals, *_following(shape, key, after=after)]
    if all(column.table is payment_totals for column in key):
        totals = select(payment_totals).where(*conditions).order_by(*shape.order(key))
        found = totals.limit(bindparam("limit")).subquery("found")
        return _patients(found).order_by(*shape.order([found.c[column.name] for column in key]))
    return _patients().where(*conditions).order_by(*shape.order(key)).limit(bindparam("limit"))


def _scanned_page(shape: _Shape, *, after: bool) -> Select[Any]:
    """Select the keys of all matching patients first, then those of the page, and then the page's columns."""
    scan = _scan(shape)
    named = [key.label(f"key_{place}") for place, key in enumerate(scan.keys)]
    page = select(scan.row_id.label("id"), *named).select_from(scan.source).where(*scan.conditions)
    page = page.where(*_following(shape, scan.keys, after=after)).order_by(*shape.order(scan.keys))
    found = page.limit(bindparam("limit")).subquery("found")
    rows = found.outerjoin(patients, patients.c.id == found.c.id)
    rows = rows.outerjoin(payment_totals, payment_totals.c.patient_id == found.c.id)
    order = shape.order([found.c[key.name] for key in named])
    return select(*_columns(payment_totals)).select_from(rows).order_by(*order)


class _Scan(msgspec.Struct, frozen=True):
    """The patients that match a search, if ``conditions`` are applied, and the sort keys."""

    source: FromClause
    row_id: ColumnElement[int]
    keys: Keys
    conditions: list[ColumnElement[bool]]


def _scan(shape: _Shape) -> _Scan:
    needs_totals = shape.has_range or shape.sort is SortKey.PAYMENT_TOTAL
    if shape.sort is SortKey.ID and not needs_totals:
        # The order in which patients are stored: reading ends with the page.
        return _Scan(patients, patients.c.id, (patients.c.id,), shape.of_patients)
    text = {SortKey.EXTERNAL_ID: patients.c.external_id, SortKey.LAST_NAME: patients.c.last_name}.get(shape.sort)
    columns = [patients.c.id] if text is None else [patients.c.id, text]
    matching = select(*columns).where(*shape.of_patients).limit(_ALL).subquery("matching")
    row_id, *first = matching.c
    if shape.sort is SortKey.PAYMENT_TOTAL:
        keys: Keys = (_UNINDEXED_TOTAL, row_id)
    else:
        keys = (*first,) if shape.sort is SortKey.EXTERNAL_ID else (*first, row_id)
    source: FromClause = matching
    if needs_totals:
        source = matching.join(payment_totals, payment_totals.c.patient_id == row_id)
    return _Scan(source, row_id, keys, shape.of_totals)


@lru_cache(_CACHED)
def _all_patients(shape: _Shape) -> Select[Any]:
    key = _SORT_KEYS[shape.sort]
    rows = _patients().where(*shape.of_patients, *shape.of_totals).order_by(*shape.order(key)).subquery("rows")
    return select(json_row(*rows.c))


def _count(shape: _Shape) -> Select[Any]:
    """Select the number of patients; each has a total."""
    if not shape.scans:
        return select(func.count()).select_from(payment_totals).where(*shape.of_totals)
    scan = _scan(shape)
    return select(func.count()).select_from(scan.source).where(*scan.conditions)


def _following(shape: _Shape, key: Keys, *, after: bool) -> list[ColumnElement[bool]]:
    """Return the condition that a row comes after the position in the parameters."""
    if not after:
        return []
    position = tuple_(*key)
    last = tuple_(*(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)))
    return [position < last if shape.descending else position > last]


def _columns(totals: FromClause) -> list[ColumnElement[Any]]:
    """Return the fields of PatientView in their order, the total in cents."""
    return [
        patients.c.id,
        patients.c.external_id,
        patients.c.first_name,
        patients.c.last_name,
        patients.c.middle_name,
        patients.c.date_of_birth,
        patients.c.created,
        patients.c.updated,
        totals.c.total_cents,
        totals.c.payment_count,
    ]


def _patients(found: FromClause | None = None) -> Select[Any]:
    """Select the fields of PatientView; only for the totals ``found`` if given."""
    if found is None:
        rows = select(*_columns(payment_totals))
        return rows.join_from(patients, payment_totals, payment_totals.c.patient_id == patients.c.id)
    # Each total has a patient, so an outer join has the same result. It makes SQLite start from the totals that were
    # found; with an inner join it would scan all patients.
    return select(*_columns(found)).outerjoin_from(found, patients, patients.c.id == found.c.patient_id)
