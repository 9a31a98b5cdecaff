"""What the statements for reading patients are made of: their shape, conditions, order and columns."""

from collections.abc import Sequence
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

from paymentagg.adapters.sql.statements import since, whole_number
from paymentagg.adapters.sql.tables import patients, payment_totals
from paymentagg.domain.queries import PatientQuery, SortKey


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

SORT_KEYS: dict[SortKey, Keys] = {
    SortKey.ID: (payment_totals.c.patient_id,),
    SortKey.EXTERNAL_ID: (patients.c.external_id,),
    SortKey.LAST_NAME: (patients.c.last_name, patients.c.id),
    SortKey.PAYMENT_TOTAL: (payment_totals.c.total_cents, payment_totals.c.patient_id),
}

UNINDEXED_TOTAL = payment_totals.c.total_cents + literal_column("0", Integer())
"""The total in a form that no index has: a search looks at all patients, which is faster in the order of the table."""


class Shape(msgspec.Struct, frozen=True):
    """What the statement of a query depends on, other than its parameters."""

    sort: SortKey
    descending: bool
    minimum: bool
    maximum: bool
    words: int
    updated: bool
    count: bool
    sum: bool

    @classmethod
    def of(cls, query: PatientQuery) -> "Shape":
        """Return the shape of a query."""
        total = query.total
        bounds = (total.minimum is not None, total.maximum is not None)
        return cls(
            query.sort,
            query.descending,
            *bounds,
            words=len(query.words),
            updated=query.updated_since is not None,
            count=query.count,
            sum=query.count and query.sum,
        )

    @property
    def scans(self) -> bool:
        """Whether all patients have to be looked at."""
        return bool(self.words or self.updated)

    @property
    def has_range(self) -> bool:
        """Whether there is a range of totals."""
        return self.minimum or self.maximum

    @property
    def of_totals(self) -> list[ColumnElement[bool]]:
        """The conditions of the range of totals."""
        return self._in_range(UNINDEXED_TOTAL if self.scans else payment_totals.c.total_cents)

    @property
    def of_unindexed_totals(self) -> list[ColumnElement[bool]]:
        """The same conditions in a form that no index has."""
        return self._in_range(UNINDEXED_TOTAL)

    @property
    def of_patients(self) -> list[ColumnElement[bool]]:
        """The conditions of the search and of the time."""
        words = [
            place_of(patients.c.search_name, bindparam(f"word_{number}", type_=Text())) > 0
            for number in range(self.words)
        ]
        return [*words, since(patients.c.updated)] if self.updated else words

    def order(self, keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """Return what to order by, so that the rows come in the order of the keys, descending if the query says so."""
        return [(desc if self.descending else asc)(key) for key in keys]

    def _in_range(self, total: ColumnElement[int]) -> list[ColumnElement[bool]]:
        conditions = ((total >= bindparam("minimum"), self.minimum), (total <= bindparam("maximum"), self.maximum))
        return [condition for condition, is_set in conditions if is_set]


def counting(cents: ColumnElement[int] | None) -> Select[Any]:
    """Select the number of patients, and the sum of their totals if ``cents`` is given."""
    columns: list[ColumnElement[Any]] = [func.count()]
    if cents is not None:
        columns.append(whole_number(func.sum(cents)))
    return select(*columns)


def following(shape: Shape, key: Keys, *, after: bool) -> list[ColumnElement[bool]]:
    """Return the condition that a row comes after the position in the parameters."""
    if not after:
        return []
    position = tuple_(*key)
    last = tuple_(*(bindparam(f"after_{place}", type_=column.type) for place, column in enumerate(key)))
    return [position < last if shape.descending else position > last]


def view_columns(totals: FromClause) -> list[ColumnElement[Any]]:
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


def select_patients(found: FromClause | None = None) -> Select[Any]:
    """Select the fields of PatientView; only for the totals ``found`` if given."""
    if found is None:
        rows = select(*view_columns(payment_totals))
        return rows.join_from(patients, payment_totals, payment_totals.c.patient_id == patients.c.id)
    # Each total has a patient, so an outer join has the same result. It makes SQLite start from the totals that were
    # found; with an inner join it would scan all patients.
    return select(*view_columns(found)).outerjoin_from(found, patients, patients.c.id == found.c.patient_id)
