"""One model's stored rows during a sync, in SQLAlchemy Core. Subclasses add the statements that differ by model.

The join of incoming and stored rows runs in the database and returns only pairs that differ. Of those, only the
disputed ones are read into Python for the domain; one statement counts or applies all plain ones.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Executable,
    Insert,
    Row,
    Select,
    Subquery,
    Table,
    Text,
    Update,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    union,
    update,
)
from typing_extensions import override

from paymentagg.adapters.sql.departures import FETCH, SqlDepartures, streamed, write
from paymentagg.adapters.sql.engines.dialect import SyncDialect
from paymentagg.adapters.sql.row_history import Fields, as_json, keep
from paymentagg.adapters.sql.tables import payment_totals
from paymentagg.adapters.sql.working_tables import disputed_ids, rejected_rows
from paymentagg.domain.batches import Batch, Columns
from paymentagg.domain.changes import Change, Effect, Pair, Rejection, diff
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Replica

BULK = 10_000
"""From this many rows on, a first load is faster if the indexes are dropped before and created again after it."""


class SqlReplica(Replica[RecordT], ABC):
    """A replica in tables: ``stage`` fills ``staged``, ``pair`` fills ``paired``, ``apply`` writes ``stored_table``.

    A row that the reader rejected is staged with its external id only, if that is readable: its other fields are NULL.
    """

    model: Model
    stored_table: Table
    staged: Table
    paired: Table
    fields: tuple[str, ...]
    """The columns that ``paired`` and ``stored_table`` have in common, without the external id."""

    def __init__(self, connection: Connection, dialect: SyncDialect, departures: SqlDepartures) -> None:
        self._connection = connection
        self._dialect = dialect
        self._departures = departures
        self._staged_rows = 0
        self._disputed = False
        self._is_bulk_load = False
        self._has_twins = False
        """Whether any stored row may be updated or deleted."""

    # The statements that differ by model.

    @abstractmethod
    def _pairs_that_differ(self) -> Select[Any]:
        """Select the pairs of an incoming and a stored row that aren't equal, as rows of ``paired``."""

    @abstractmethod
    def _is_valid(self) -> ColumnElement[bool]:
        """Return the condition that the incoming row of a pair has all its fields, and that its patient is stored."""

    @abstractmethod
    def _disputed_pairs(self) -> Select[Any]:
        """Select all incoming rows with disputed external ids and their stored rows, by external id and row."""

    @abstractmethod
    def _changed_pairs(self) -> Select[Any]:
        """Select the rows of ``paired`` with the stored rows' fields, in the columns of ``_disputed_pairs``."""

    @abstractmethod
    def _pair(self, row: Row[Any]) -> Pair[RecordT]:
        """Return the domain's pair for a result row of ``_disputed_pairs`` or ``_changed_pairs``."""

    @abstractmethod
    def _maintain_totals(self, *, delete: bool) -> Executable:
        """Return the statement that updates the payment totals of the patients whose payments change."""

    @abstractmethod
    def _replaced(self, history: int) -> Select[Any]:
        """Select the stored rows of all pairs as rows of ``row_changes``."""

    @abstractmethod
    def _fill_totals(self) -> Iterable[Executable]:
        """Return the statements that write the payment totals of all patients, after a first load."""

    def _disown_leaving(self) -> None:
        """Make the pairs of leaving patients' incoming rows invalid; for payments only."""

    def _kept_by_leaving(self) -> Select[str] | None:
        """Select the external ids of leaving patients' payments that equal their incoming row."""
        return None

    def _derived(self, columns: Columns) -> Columns:  # noqa: ARG002  patients use it
        """Return the columns of ``staged`` that follow from the columns of a batch, and come after them."""
        return ()

    # The methods of the port.

    @override
    def stage(self, batches: Iterable[Batch[RecordT]]) -> None:
        self._dialect.clear(self._connection, self.staged, disputed_ids, rejected_rows)
        self._dialect.load(self._connection, self.staged, self._counted(batches))
        self._dialect.analyze(self._connection, self.staged)

    @override
    def pair(self) -> Effect:
        self._dialect.pair(self._connection, self.paired, self._pairs_that_differ())
        self._disown_leaving()
        self._dialect.analyze(self._connection, self.paired)
        gone, created, updated, invalid = self._counts(
            self._is_gone, self._is_created, self._is_updated, self._is_invalid
        )
        stored = self.stored()
        self._is_bulk_load = stored == 0 and created >= BULK
        self._has_twins = bool(gone or updated)
        self._find_disputed(gone, created, invalid, stored)
        if self._disputed:
            created, updated = self._counts(self._is_created, self._is_updated, among=~self._is_disputed(self.paired))
        return Effect(created, updated, gone)

    @override
    def disputed(self) -> Iterator[Pair[RecordT]]:
        if self._disputed:
            yield from map(self._pair, self._connection.execute(streamed(self._disputed_pairs())))

    @override
    def settle(self, decisions: Iterable[Change]) -> None:
        rejected = (decision.row for decision in decisions if isinstance(decision, Rejection))
        while numbers := [{"row": number} for number in islice(rejected, FETCH)]:
            self._connection.execute(insert(rejected_rows), numbers)
        if self._disputed:
            # Two statements because PostgreSQL turns an IN into a join only if it is the whole condition; otherwise it
            # searches the list for each row.
            for condition in (self._is_invalid, self.paired.c.row.in_(select(rejected_rows.c.row))):
                self._connection.execute(delete(self.paired).where(condition))

    @override
    def changes(self, *, delete: bool) -> Iterator[Change]:
        conditions = [*([self._is_gone] if delete else []), self._is_updated, self._is_created]
        for condition in conditions:
            pairs = self._changed_pairs().where(condition).order_by(self.paired.c.external_id)
            yield from diff(self.model, map(self._pair, self._connection.execute(streamed(pairs))))

    @override
    def apply(self, at: datetime, *, delete: bool, history: int | None) -> Effect:
        connection = self._connection
        if history is not None and self._has_twins:
            is_written = self.paired.c.stored_id.is_not(None) if delete else self._is_updated
            connection.execute(keep(self._replaced(history).where(is_written)))
        deleted = write(connection, self._delete()) if delete else 0
        updated = write(connection, self._update(at))
        if self._is_bulk_load:
            with self._dialect.bulk_load(connection, self.stored_table):
                created = write(connection, self._insert(at))
            with self._dialect.bulk_load(connection, payment_totals):
                for filling in self._fill_totals():
                    connection.execute(filling)
        else:
            created = write(connection, self._insert(at))
            connection.execute(self._maintain_totals(delete=delete))
        done = [self.paired] if not self._departures.need(self.paired) else []
        self._dialect.clear(connection, self.staged, disputed_ids, rejected_rows, *done)
        return Effect(created, updated, deleted)

    @override
    def stored(self) -> int:
        return self._connection.scalar(select(func.count()).select_from(self.stored_table)) or 0

    # The statements that all models share.

    @property
    def _is_gone(self) -> ColumnElement[bool]:
        return self.paired.c.row.is_(None)

    @property
    def _is_incoming(self) -> ColumnElement[bool]:
        return self.paired.c.row.is_not(None)

    @property
    def _is_created(self) -> ColumnElement[bool]:
        return self._is_incoming & self.paired.c.stored_id.is_(None)

    @property
    def _is_updated(self) -> ColumnElement[bool]:
        return self._is_incoming & self.paired.c.stored_id.is_not(None)

    @property
    def _is_invalid(self) -> ColumnElement[bool]:
        return self._is_incoming & ~self._is_valid()

    def _counts(self, *kinds: ColumnElement[bool], among: ColumnElement[bool] | None = None) -> tuple[int, ...]:
        """Return how many rows of ``paired`` are of each kind, in one pass; only among some of them if given."""
        counts = select(*(func.count().filter(kind) for kind in kinds)).select_from(self.paired)
        return tuple(self._connection.execute(counts if among is None else counts.where(among)).one())

    def _update(self, at: datetime) -> Update:
        stored, paired = self.stored_table, self.paired
        values = {field: paired.c[field] for field in self.fields}
        return update(stored).where(stored.c.id == paired.c.stored_id, self._is_updated).values(**values, updated=at)

    def _insert(self, at: datetime) -> Insert:
        """Return the INSERT of the new rows, in the order of the snapshot, and so of the ids, except in a bulk load."""
        columns: tuple[str, ...] = ("external_id", *self.fields)
        time = literal(at, self.stored_table.c.created.type)
        new = select(*(self.paired.c[name] for name in columns), time.label("created"), time.label("updated"))
        new = new.where(self._is_created)
        if not self._is_bulk_load:
            new = new.order_by(self.paired.c.row)
        return insert(self.stored_table).from_select([*columns, "created", "updated"], new)

    def _delete(self) -> Delete:
        gone = select(self.paired.c.stored_id).where(self._is_gone)
        return delete(self.stored_table).where(self.stored_table.c.id.in_(gone))

    @property
    def _kind(self) -> ColumnElement[str]:
        """The kind of change of a stored row."""
        return case((self._is_gone, literal("deleted", Text())), else_=literal("updated", Text()))

    def _after(self, fields: Fields) -> ColumnElement[str]:
        """Return the JSON object of the new fields of a stored row; NULL if it is deleted."""
        return case((self._is_incoming, as_json(fields)))

    def _is_disputed(self, table: Table) -> ColumnElement[bool]:
        return exists().where(disputed_ids.c.external_id == table.c.external_id)

    def _counted(self, batches: Iterable[Batch[RecordT]]) -> Iterator[Columns]:
        """Yield the rows of batches as columns of ``staged``, and count them."""
        for batch in batches:
            rejected = [r for r in batch.rejections if r.external_id is not None]
            self._staged_rows += len(batch.numbers) + len(rejected)
            if batch.numbers:
                numbers: Columns = (batch.numbers,)
                yield numbers + batch.columns + self._derived(batch.columns)
            if rejected:
                absent = [None] * len(rejected)
                ids = [r.external_id for r in rejected]
                yield ([r.row for r in rejected], ids) + (absent,) * (len(self.staged.columns) - 2)

    def _find_disputed(self, gone: int, unmatched: int, invalid: int, stored: int) -> None:
        """Write the external ids whose pairs aren't plain to ``disputed_ids``.

        If as many incoming rows are paired with a stored row as stored rows with an incoming one, no stored external id
        is in the snapshot twice. Only otherwise are all staged rows searched for repeated external ids. All rows whose
        external ids aren't stored are in ``paired``, so that table is searched for their copies.

        Args:
            gone: number of stored rows without an incoming row.
            unmatched: number of incoming rows without a stored row.
            invalid: number of incoming rows in ``paired`` that aren't valid.
            stored: number of stored rows.
        """
        paired, staged = self.paired, self.staged
        sources = []
        if invalid:
            sources.append(select(paired.c.external_id).where(self._is_invalid))
        if self._staged_rows - unmatched != stored - gone:
            sources.append(_repeated(select(staged.c.external_id)))
        elif unmatched:
            sources.append(_repeated(select(paired.c.external_id).where(self._is_created)))
        if (kept := self._kept_by_leaving()) is not None:
            sources.append(kept)
        if sources:
            ids = union(*sources)
            self._disputed = write(self._connection, insert(disputed_ids).from_select(["external_id"], ids)) > 0


def conflicting_ids(valid_rows: Select[Any]) -> Subquery:
    """Select the external ids that have rows with different fields. ``valid_rows`` selects external id and fields."""
    contents = valid_rows.distinct().subquery()
    return _repeated(select(contents.c.external_id)).subquery("conflicting")


def _repeated(ids: Select[str]) -> Select[str]:
    """Select the external ids that occur more than once."""
    (external_id,) = ids.selected_columns
    return ids.group_by(external_id).having(func.count() > 1)
