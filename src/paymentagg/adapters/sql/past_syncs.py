"""Looking back at the record of syncs.

The record is only appended to: an undo doesn't mark the syncs that it takes back. A sync is effective if it isn't an
undo, and no later undo takes back it or a sync before it.
"""

from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, and_, exists, func, select

from paymentagg.adapters.sql.tables import syncs
from paymentagg.domain.model import Model
from paymentagg.domain.ports import HeldBy, KeyedSync, PastSync
from paymentagg.domain.report import Report


def last_started(connection: Connection) -> datetime | None:
    """Return the ``started_at`` of the last sync; None if there is none."""
    return connection.execute(select(syncs.c.started_at).order_by(syncs.c.id.desc()).limit(1)).scalar_one_or_none()


def last(connection: Connection, model: Model) -> PastSync | None:
    """Return the last effective sync of the model that has a digest; None if there is none."""
    later, digest = syncs.alias(), digest_of(model)
    changed_since = exists().where(later.c.id > syncs.c.id, later.c.changed, is_effective(later)).correlate(syncs)
    statement = (
        select(syncs.c.id, digest, syncs.c.report, changed_since)
        .where(digest.is_not(None), is_effective(syncs))
        .order_by(syncs.c.id.desc())
        .limit(1)
    )
    found = connection.execute(statement).one_or_none()
    if found is None:
        return None
    report = msgspec.json.decode(found[2], type=Report)
    return PastSync(found[0], found[1], report.models[model], changed_since=found[3])


def last_taken(connection: Connection, model: Model) -> datetime | None:
    """Return the ``taken_at`` of the last effective sync of the model that had one; None if there is none."""
    taken_at = taken_at_of(model)
    statement = select(taken_at).where(taken_at.is_not(None), is_effective(syncs))
    return connection.execute(statement.order_by(syncs.c.id.desc()).limit(1)).scalar_one_or_none()


def held(connection: Connection, model: Model, digest: str) -> HeldBy | None:
    """Return the undo that holds a digest, unless a later effective sync has it; None if there is none."""
    later = syncs.alias()
    is_taken = exists().where(later.c.id > syncs.c.id, digest_of(model, later) == digest, is_effective(later))
    statement = (
        select(syncs.c.undoes, syncs.c.started_at)
        .where(syncs.c.undoes.is_not(None), held_of(model) == digest, ~is_taken.correlate(syncs))
        .order_by(syncs.c.id.desc())
        .limit(1)
    )
    found = connection.execute(statement).one_or_none()
    return None if found is None else HeldBy(*found)


def keyed(connection: Connection, key: str) -> KeyedSync | None:
    """Return the sync with this idempotency key, effective or not; None if there is none."""
    found = connection.execute(select(syncs).where(syncs.c.idempotency_key == key)).mappings().one_or_none()
    if found is None:
        return None
    return KeyedSync(digests_in(found), found["idempotency_parameters"], report_in(found))


def latest(connection: Connection) -> int | None:
    """Return the id of the last effective sync that changed a row; None if there is none."""
    statement = select(syncs.c.id).where(syncs.c.changed, is_effective(syncs)).order_by(syncs.c.id.desc()).limit(1)
    return connection.execute(statement).scalar_one_or_none()


def undone_by(connection: Connection, sync_id: int) -> int | None:
    """Return the id of the undo that has taken back a sync; None if there is none."""
    undo: int | None = connection.scalar(
        select(func.min(syncs.c.id)).where(syncs.c.undoes <= sync_id, syncs.c.id > sync_id)
    )
    return undo


def is_effective(table: FromClause) -> ColumnElement[bool]:
    """Return the condition that a sync isn't an undo, and isn't taken back."""
    undo = syncs.alias()
    is_undone = exists().where(undo.c.undoes <= table.c.id, undo.c.id > table.c.id).correlate(table)
    return and_(table.c.undoes.is_(None), ~is_undone)


def digests_in(row: RowMapping) -> dict[Model, str]:
    """Return the digests in a row of ``syncs``."""
    columns = {model: digest_of(model).name for model in Model}
    return {model: row[name] for model, name in columns.items() if row[name] is not None}


def report_in(row: RowMapping) -> Report:
    """Return the report in a row of ``syncs``, with its id."""
    report = msgspec.json.decode(row["report"], type=Report)
    report.id = row["id"]
    return report


def digest_of(model: Model, table: FromClause = syncs) -> ColumnElement[str]:
    """Return the column of the model's digest."""
    return table.c[f"{model.plural}_digest"]


def taken_at_of(model: Model) -> ColumnElement[datetime]:
    """Return the column of the time at which the model's snapshot was taken."""
    return syncs.c[f"{model.plural}_taken_at"]


def held_of(model: Model) -> ColumnElement[str]:
    """Return the column of the digest that an undo holds."""
    return syncs.c[f"{model.plural}_held"]


def last_id_of(model: Model) -> ColumnElement[int]:
    """Return the column of the largest id that was stored when a sync began."""
    return syncs.c[f"{model.plural}_last_id"]
