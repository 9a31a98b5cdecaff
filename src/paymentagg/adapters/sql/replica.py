"""One model's stored rows during a sync, over SQLAlchemy Core. What differs by model stands in the subclasses.

The join that pairs incoming rows with stored ones runs where the data lives, and yields only pairs that differ. Of
those only the disputed ones come up to the domain; plain ones are counted and applied as sets.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Generic, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    Executable,
    Insert,
    Row,
    Select,
    Subquery,
    Table,
    Update,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    union,
    update,
)
from sqlalchemy.orm import Session

from paymentagg.adapters.sql.dialect import Rows, SyncEngine
from paymentagg.adapters.sql.tables import payment_totals
from paymentagg.adapters.sql.working_tables import disputed_ids, rejected_rows
from paymentagg.domain.changes import Change, Created, Deleted, Pair, Rejection, Updated
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Batch, Effect

BULK = 10_000
"""From how many rows on a first load is worth building the indexes anew."""

FETCH = 5_000
"""How many rows are read or written at once where they must cross Python."""


class SqlReplica(ABC, Generic[RecordT]):
    """A Replica (see the port) of the table ``stored``, by way of ``staged`` and ``paired``."""

    model: Model
    stored_table: Table
    staged: Table
    paired: Table
    fields: tuple[str, ...]
    """The columns that ``paired`` and ``stored_table`` share, beside the external id."""

    def __init__(self, session: Session, engine: SyncEngine) -> None:
        self._session = session
        self._engine = engine
        self._staged_rows = 0
        self._disputed = False
        self._fills = False

    # What differs by model.

    @abstractmethod
    def _staged(self, batch: Batch[RecordT]) -> Rows:
        """Return the rows of a batch, bare ones included, in the order of the columns of ``staged``."""

    @abstractmethod
    def _pairs_that_differ(self) -> Select[Any]:
        """Select the rows of ``paired``."""

    @abstractmethod
    def _takeable(self) -> ColumnElement[bool]:
        """Whether a row of ``paired`` is no bare one, and its patient known."""

    @abstractmethod
    def _disputed_pairs(self) -> Select[Any]:
        """Select all incoming rows of the disputed ids beside their stored twins, in order."""

    @abstractmethod
    def _pair(self, row: Row[Any]) -> Pair[RecordT]:
        """Return a row of the above as the domain knows it."""

    @abstractmethod
    def _dependents(self) -> Select[int]:
        """Select how many payments go along with the rows that are gone."""

    @abstractmethod
    def _lost(self) -> Select[str] | None:
        """Select the external ids of those payments."""

    @abstractmethod
    def _delete_dependents(self) -> Iterable[Delete]:
        """Delete those payments; the last statement's count is theirs."""

    @abstractmethod
    def _maintain_totals(self, *, delete: bool) -> Executable:
        """Bring the payment totals of the patients touched up to date."""

    @abstractmethod
    def _fill_totals(self) -> Iterable[Executable]:
        """Do the same after a first load: all totals anew."""

    # The port.

    def stage(self, batches: Iterable[Batch[RecordT]]) -> None:
        connection = self._session.connection()
        self._engine.clear(connection, self.staged, disputed_ids, rejected_rows)
        self._engine.load(connection, self.staged, map(self._counted, batches))
        self._engine.analyze(connection, self.staged)

    def pair(self) -> Effect:
        paired = self.paired
        connection = self._session.connection()
        self._engine.pair(connection, paired, self._pairs_that_differ())
        self._engine.analyze(connection, paired)
        gone, created, updated, suspect = self._session.execute(
            select(
                func.count().filter(self._is_gone),
                func.count().filter(self._is_created),
                func.count().filter(self._is_updated),
                func.count().filter(self._is_incoming, ~self._takeable()),
            ).select_from(paired)
        ).one()
        stored = self.stored()
        self._fills = stored == 0 and created >= BULK
        self._find_disputed(gone, created, suspect, stored)
        if self._disputed:
            created, updated = self._session.execute(
                select(func.count().filter(self._is_created), func.count().filter(self._is_updated))
                .select_from(paired)
                .where(~self._is_disputed(paired))
            ).one()
        dependents = self._session.scalar(self._dependents()) if gone else None
        return Effect(created, updated, gone, dependents=dependents or 0)

    def disputed(self) -> Iterator[Pair[RecordT]]:
        if self._disputed:
            yield from map(self._pair, self._session.execute(_streamed(self._disputed_pairs())))

    def settle(self, decisions: Iterable[Change]) -> None:
        rejected = (decision.row for decision in decisions if isinstance(decision, Rejection))
        while numbers := [{"row": number} for number in islice(rejected, FETCH)]:
            self._session.execute(insert(rejected_rows), numbers)
        if self._disputed:
            # Two statements: PostgreSQL joins an IN that stands alone; else it goes through the list for each row.
            paired = self.paired
            self._session.execute(delete(paired).where(self._is_incoming, ~self._takeable()))
            self._session.execute(delete(paired).where(paired.c.row.in_(select(rejected_rows.c.row))))

    def changes(self, *, delete: bool) -> Iterator[Change]:
        if delete and (lost := self._lost()) is not None:
            for (external_id,) in self._session.execute(_streamed(lost)):
                yield Deleted(Model.PAYMENT, external_id)
        kinds: list[tuple[type[Deleted | Updated | Created], ColumnElement[bool]]] = [
            (Updated, self._is_updated),
            (Created, self._is_created),
        ]
        if delete:
            kinds.insert(0, (Deleted, self._is_gone))
        for kind, condition in kinds:
            ids = select(self.paired.c.external_id).where(condition).order_by(self.paired.c.external_id)
            for (external_id,) in self._session.execute(_streamed(ids)):
                yield kind(self.model, external_id)

    def apply(self, at: datetime, *, delete: bool) -> Effect:
        connection = self._session.connection()
        deleted = dependents = 0
        if delete:
            for statement in self._delete_dependents():
                dependents = self._write(statement)
            deleted = self._write(_delete_gone(self.stored_table, self._gone_ids()))
        updated = self._write(self._update(at))
        if self._fills:
            with self._engine.filling(connection, self.stored_table):
                created = self._write(self._insert(at))
            with self._engine.filling(connection, payment_totals):
                for filling in self._fill_totals():
                    connection.execute(filling)
        else:
            created = self._write(self._insert(at))
            connection.execute(self._maintain_totals(delete=delete))
        self._engine.clear(connection, self.staged, self.paired, disputed_ids, rejected_rows)
        return Effect(created, updated, deleted, dependents)

    def stored(self) -> int:
        return self._session.scalar(select(func.count()).select_from(self.stored_table)) or 0

    # Shared parts.

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

    def _update(self, at: datetime) -> Update:
        stored, paired = self.stored_table, self.paired
        values = {field: paired.c[field] for field in self.fields}
        return update(stored).where(stored.c.id == paired.c.stored_id, self._is_updated).values(**values, updated=at)

    def _insert(self, at: datetime) -> Insert:
        """Insert the new rows in the order of the snapshot, so that their ids follow it, but for a first load."""
        columns: tuple[str, ...] = ("external_id", *self.fields)
        time = literal(at, self.stored_table.c.created.type)
        new = select(*(self.paired.c[name] for name in columns), time.label("created"), time.label("updated"))
        new = new.where(self._is_created)
        if not self._fills:
            new = new.order_by(self.paired.c.row)
        return insert(self.stored_table).from_select([*columns, "created", "updated"], new)

    def _gone_ids(self) -> Select[int]:
        return select(self.paired.c.stored_id).where(self._is_gone)

    def _is_disputed(self, table: Table) -> ColumnElement[bool]:
        return exists().where(disputed_ids.c.external_id == table.c.external_id)

    def _counted(self, batch: Batch[RecordT]) -> Rows:
        self._staged_rows += len(batch.records) + sum(r.external_id is not None for r in batch.rejections)
        return self._staged(batch)

    def _write(self, statement: Executable) -> int:
        result = self._session.execute(statement, execution_options={"preserve_rowcount": True})
        return cast(CursorResult[Any], result).rowcount

    def _find_disputed(self, gone: int, unmatched: int, suspect: int, stored: int) -> None:
        """Note the external ids whose pairs are not plain.

        No stored key came twice exactly when as many incoming rows found a twin as stored rows did; only
        when that fails are all staged rows searched for copies. Copies of keys that are not stored are pairs.
        """
        paired, staged = self.paired, self.staged
        sources = []
        if suspect:
            sources.append(select(paired.c.external_id).where(self._is_incoming, ~self._takeable()))
        if self._staged_rows - unmatched != stored - gone:
            sources.append(_repeated(select(staged.c.external_id)))
        elif unmatched:
            sources.append(_repeated(select(paired.c.external_id).where(self._is_created)))
        if sources:
            ids = union(*sources)
            self._disputed = self._write(insert(disputed_ids).from_select(["external_id"], ids)) > 0


def conflicting_ids(good_rows: Select[Any]) -> Subquery:
    """Select the external ids under which the rows, the external id and its fields, are not all equal."""
    contents = good_rows.distinct().subquery()
    return _repeated(select(contents.c.external_id)).subquery("conflicting")


def _repeated(ids: Select[str]) -> Select[str]:
    (external_id,) = ids.selected_columns
    return ids.group_by(external_id).having(func.count() > 1)


def _delete_gone(table: Table, ids: Select[int]) -> Delete:
    return delete(table).where(table.c.id.in_(ids))


def _streamed(statement: Select[Any]) -> Select[Any]:
    return statement.execution_options(yield_per=FETCH)
