"""The statements for reading patients.

Parameters: minimum, maximum, after_0, after_1, since, limit, word_0 and so on.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, select

from paymentagg.adapters.sql import patient_pages
from paymentagg.adapters.sql.patient_clauses import SORT_KEYS, Shape, select_patients
from paymentagg.adapters.sql.statements import as_parameter, json_row, json_rows, page_of
from paymentagg.adapters.sql.tables import patients
from paymentagg.domain.money import to_cents
from paymentagg.domain.queries import MAX_NAMES, PatientQuery

_CACHED = 512
"""How many statements are kept: clients send few different numbers of words, but could send many."""

_IDS = [f"id_{number}" for number in range(MAX_NAMES)]


def patients_page(query: PatientQuery, *, sqlite: bool) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for a page of patients, with up to ``limit`` + 1 rows, and its parameters.

    Args:
        sqlite: for SQLite; otherwise for PostgreSQL.
    """
    statement = _patients_page(Shape.of(query), query.after is not None, sqlite)
    position = (value if isinstance(value, int | str) else to_cents(value) for value in query.after or ())
    after = {f"after_{place}": value for place, value in enumerate(position)}
    return statement, _parameters(query) | after | {"limit": query.limit + 1}


def all_patients(query: PatientQuery) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement for all patients that match a query, and its parameters."""
    return _all_patients(Shape.of(query)), _parameters(query)


@cache
def one_patient() -> Select[Any]:
    """Return the statement for the patient with the external id ``external_id``."""
    return page_of(select_patients().where(patients.c.external_id == bindparam("external_id")), changes=True)


@cache
def names() -> Select[Any]:
    """Return the statement for external ids and first, last and middle names of the patients in ``ids_of``."""
    given = (bindparam(name, type_=Text()) for name in _IDS)
    columns = (patients.c.external_id, patients.c.first_name, patients.c.last_name, patients.c.middle_name)
    return select(json_rows(*columns)).where(patients.c.external_id.in_(list(given)))


def ids_of(external_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the parameters of ``names``: always as many, so that it is one statement; NULL finds nothing.

    Raises:
        ValueError: there are more external ids than the statement has parameters.
    """
    if len(external_ids) > MAX_NAMES:
        raise ValueError(f"at most {MAX_NAMES} names can be read at once")
    return dict(zip(_IDS, [*external_ids, *[None] * (MAX_NAMES - len(external_ids))], strict=True))


def _parameters(query: PatientQuery) -> dict[str, Any]:
    """Return the values of the conditions; bounds of totals are in cents."""
    both = {"minimum": query.total.minimum, "maximum": query.total.maximum}
    bounds = {name: to_cents(bound) for name, bound in both.items() if bound is not None}
    words = {f"word_{number}": word for number, word in enumerate(query.words)}
    return bounds | words | {"since": as_parameter(query.updated_since)}


@lru_cache(_CACHED)
def _patients_page(shape: Shape, after: bool, sqlite: bool) -> Select[Any]:
    return patient_pages.patients_page(shape, after=after, sqlite=sqlite)


@lru_cache(_CACHED)
def _all_patients(shape: Shape) -> Select[Any]:
    key = SORT_KEYS[shape.sort]
    rows = select_patients().where(*shape.of_patients, *shape.of_totals).order_by(*shape.order(key)).subquery("rows")
    return select(json_row(*rows.c))
