"""The queries of pages: those of the API, with smaller pages, and the parameters that only pages have."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.queries import PatientQuery, PatientView
from paymentagg.entrypoints.http.cursors import read_cursor, write_cursor
from paymentagg.entrypoints.http.parameters.queries import patient_query
from paymentagg.entrypoints.http.parameters.query_string import decoded_pairs
from paymentagg.entrypoints.http.request import Request

ROWS = 50
"""How many rows a page has."""


class PatientPage(msgspec.Struct, frozen=True):
    """A page of patients; if it is ``backwards``, the query has the opposite order, and so have its rows."""

    query: PatientQuery
    is_backwards: bool

    def position(self, patient: PatientView, *, backwards: bool) -> str:
        """Return the cursor for the rows after a patient of this page, or before them."""
        query = self.query if backwards is self.is_backwards else _opposite(self.query)
        return write_cursor(query, query.sort.of(patient))


def split(query_string: str, *own: str) -> tuple[str, dict[str, str]]:
    """Return the query string without the parameters that pages have of their own, and those with a value.

    Raises:
        InvalidParameter: the query string can't be decoded, or one of them is repeated.
    """
    kept, found = [], {}
    for name, value in decoded_pairs(query_string):
        if name not in own:
            kept.append((name, value))
        elif name in found:
            raise InvalidParameter(name, "must be given only once")
        else:
            found[name] = value
    return urlencode(kept), {name: value for name, value in found.items() if value}


def patient_page(query_string: str, before: str | None) -> PatientPage:
    """Return the query for a page of patients, sorted by name unless something else is asked for.

    Args:
        before: the cursor of the first row of the page that follows.

    Raises:
        InvalidParameter: a parameter is unknown, repeated or invalid.
    """
    names = [name for name, value in decoded_pairs(query_string) if value]
    query = patient_query(query_string if "sort" in names else f"{query_string}&sort=lastName")
    query = msgspec.structs.replace(query, limit=ROWS, count=True)
    if before is None:
        return PatientPage(query, is_backwards=False)
    if query.after is not None:
        raise InvalidParameter("before", "can't be combined with after")
    query = _opposite(query)
    after = read_cursor(query, before, query.sort)
    return PatientPage(msgspec.structs.replace(query, after=after), is_backwards=True)


def _opposite(query: PatientQuery) -> PatientQuery:
    return msgspec.structs.replace(query, descending=not query.descending)


def link(request: Request, drop: Iterable[str] = (), /, **changed: Any) -> str:
    """Return the address of this page with other parameters; None removes one, and all in ``drop`` are removed."""
    kept = [(name, value) for name, value in decoded_pairs(request.query_string) if value]
    pairs = [(name, value) for name, value in kept if name not in changed and name not in drop]
    pairs += [(name, str(value)) for name, value in changed.items() if value is not None]
    return f"{quote(request.path_info)}?{urlencode(pairs)}" if pairs else quote(request.path_info)


def patient_path(external_id: str) -> str:
    """Return the address of a patient's page."""
    return f"/ui/patients/{quote(external_id, safe='')}"
