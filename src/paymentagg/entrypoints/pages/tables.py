"""Changes and rejected rows as tables, for the links to Excel and CSV."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from operator import attrgetter
from typing import TypeVar

import msgspec

from paymentagg.domain.changes import Change, Rejection
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.history import RejectionsQuery, RowChange, SyncChangesQuery
from paymentagg.domain.ports import Reader
from paymentagg.entrypoints.http.exports import Table
from paymentagg.entrypoints.http.responses import CSV, XLSX
from paymentagg.entrypoints.pages.change_rows import FIELDS, Difference
from paymentagg.entrypoints.spreadsheet import Cell, Column

T = TypeVar("T")

_FORMATS = {"xlsx": XLSX, "csv": CSV}
_BATCH = 1000
_KINDS = {"amount": Decimal, "date_of_birth": date}
_SIDES = ("before", "after")
_CHANGES = [
    Column("change"),
    Column("model"),
    Column("externalId"),
    *(Column(f"{title} {side}", _KINDS.get(name, str)) for name, title in FIELDS.items() for side in _SIDES),
]
_REJECTIONS = [
    Column("model"),
    Column("row", int),
    *map(Column, ("externalId", "field", "value", "code")),
    Column("message", width=60),
]


def asked_media(text: str | None) -> str | None:
    """Return the media type that the parameter ``format`` asks for; None if it asks for none.

    Raises:
        InvalidParameter: it is another text.
    """
    if text is not None and text not in _FORMATS:
        raise InvalidParameter("format", f"must be {' or '.join(_FORMATS)}")
    return None if text is None else _FORMATS[text]


def changes_of_sync(reader: Reader, query: SyncChangesQuery) -> Table:
    """Return all changes of a past sync that match; the table closes the reader."""
    return Table(f"sync-{query.sync}-changes", _CHANGES, lambda: _past(reader, query), _past_cells, reader.close)


def rejections_of_sync(reader: Reader, query: RejectionsQuery, by: str | None) -> Table:
    """Return all rejected rows that are kept of a past sync; the table closes the reader."""

    def batches() -> Iterator[Sequence[Rejection]]:
        asked: RejectionsQuery | None = query
        while asked is not None:
            page = reader.syncs.rejections(asked, by=by)
            items = [] if page is None else page.items
            yield items
            last = items[-1] if page is not None and page.more else None
            asked = None if last is None else msgspec.structs.replace(asked, after=(last.model, last.row))

    return rejections(f"sync-{query.sync}-rejected", batches, reader.close)


def rejections(name: str, batches: Callable[[], Iterator[Sequence[Rejection]]], close: Callable[[], None]) -> Table:
    """Return rejected rows as a table."""
    fields = ("model", "row", "external_id", "field", "value", "code", "message")
    return Table(name, _REJECTIONS, batches, attrgetter(*fields), close)


def changes_of_preview(changes: Callable[[], Iterable[Change]]) -> Table:
    """Return the changes that a sync would make as a table."""
    return Table("upload-changes", _CHANGES, lambda: batched(changes()), _previewed_cells, lambda: None)


def batched(items: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield the items in batches."""
    rest = iter(items)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _past(reader: Reader, query: SyncChangesQuery) -> Iterator[Sequence[RowChange]]:
    asked: SyncChangesQuery | None = msgspec.structs.replace(query, limit=_BATCH)
    while asked is not None:
        page = reader.history.of_sync(asked)
        items = [] if page is None else page.items
        yield items
        last = items[-1] if page is not None and page.more else None
        asked = None if last is None else msgspec.structs.replace(asked, after=last.position)


def _past_cells(change: RowChange) -> Sequence[Cell]:
    return _cells(Difference.of_past(change))


def _previewed_cells(change: Change) -> Sequence[Cell]:
    return _cells(Difference.of_preview(change))


def _cells(difference: Difference) -> Sequence[Cell]:
    sides = (difference.before, difference.after)
    fields = [getattr(side, name, None) for name in FIELDS for side in sides]
    return [str(difference.kind), str(difference.model), difference.external_id, *fields]
