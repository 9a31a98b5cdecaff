"""The statements for reading patients. Parameters: minimum, maximum, after_0, after_1, since, limit, word_0 and so on.

A page without a search is read by the indexes of its sort key. A search has to look at all search names, in the order
in which they are stored; by an index of the sort key it would take five times as long. So its keys are expressions.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
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
_UNINDEXED_SORT_KEYS: dict[SortKey, Keys] = {
    SortKey.ID: (patients.c.id,),  # the order in which patients are stored
    SortKey.EXTERNAL_ID: (patients.c.external_id + literal_column("''", Text()),),
    SortKey.LAST_NAME: (patients.c.last_name + literal_column("''", Text()), patients.c.id),
    SortKey.PAYMENT_TOTAL: (_UNINDEXED_TOTAL, patients.c.id),
}


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
    def keys(self) -> Keys:
        return (_UNINDEXED_SORT_KEYS if self.scans else _SORT_KEYS)[self.sort]

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
    """Select the page's rows first, from ``payment_totals`` alone if it has the sort key, and then their columns."""
    key = shape.keys
    conditions = shape.of_totals
    if after:
        position = tuple_(*key)
        last = tuple_(*(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)))
        conditions.append(position < last if shape.descending else position > last)
    if shape.scans or shape.sort in (SortKey.EXTERNAL_ID, SortKey.LAST_NAME):
        rows = _patients().where(*shape.of_patients, *conditions)
        rows = rows.order_by(*shape.order(key)).limit(bindparam("limit"))
    else:
        totals = select(payment_totals).where(*conditions).order_by(*shape.order(key))
        found = totals.limit(bindparam("limit")).subquery("found")
        rows = _patients(found).order_by(*shape.order([found.c[column.name] for column in key]))
    return page_of(rows, changes=True, count=_count(shape) if count else None)


@lru_cache(_CACHED)
def _all_patients(shape: _Shape) -> Select[Any]:
    rows = _patients().where(*shape.of_patients, *shape.of_totals).order_by(*shape.order(shape.keys)).subquery("rows")
    return select(json_row(*rows.c))


def _count(shape: _Shape) -> Select[Any]:
    """Select the number of patients; each has a total."""
    rows = select(func.count()).select_from(payment_totals)
    if shape.scans:
        rows = rows.join(patients, patients.c.id == payment_totals.c.patient_id)
    return rows.where(*shape.of_patients, *shape.of_totals)


def _patients(found: Any = None) -> Select[Any]:
    """Select the fields of PatientView in their order, the total in cents; only for the totals ``found`` if given."""
    totals = payment_totals if found is None else found
    rows = select(
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
    )
    if found is None:
        return rows.join_from(patients, totals, totals.c.patient_id == patients.c.id)
    # Each total has a patient, so an outer join has the same result. It makes SQLite start from the totals that were
    # found; with an inner join it would scan all patients.
    return rows.outerjoin_from(found, patients, patients.c.id == found.c.patient_id)
