"""What monitoring learns from the record of syncs, in one statement for up to a hundred practices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, column, text
from sqlalchemy.pool import QueuePool

from paymentagg.adapters.sql.tables import UtcTime
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Freshness, PoolUse
from paymentagg.domain.practices import PracticeState

_AT_ONCE = 100
"""How many practices are read in one statement: each takes locks on a table and its indexes."""

_LAST_GOOD = (
    "(SELECT finished_at FROM {table} AS s WHERE {plural}_digest IS NOT NULL AND undoes IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM {table} AS u WHERE u.undoes <= s.id AND u.id > s.id) ORDER BY id DESC LIMIT 1)"
)
"""Selects the time of the last sync of a model for which ``past_syncs.is_effective`` holds."""

_STORED = "(SELECT {plural}_after FROM {table} ORDER BY id DESC LIMIT 1)"


def freshness(readers: Engine, stale_before: datetime | None) -> Freshness:
    """Return how old the data are.

    Args:
        stale_before: of many practices, those without a good sync since then are stale; None if there is only one.
    """
    with readers.connect() as connection:
        if stale_before is None:
            return _together(_read(connection, ["syncs"]))
        from paymentagg.adapters.sql.practices import read_all  # imports psycopg2, which SQLite doesn't need

        live = [each for each in read_all(connection) if each.state is PracticeState.LIVE and each.revision is not None]
        return _of_all(connection, [practice.name for practice in live], stale_before)


def pools(**engines: Engine | None) -> Sequence[PoolUse]:
    """Return how many connections of each engine's pool are in use; a pool without a limit is left out."""
    found = {name: engine.pool for name, engine in engines.items() if engine is not None}
    return [
        PoolUse(name, pool.checkedout(), pool.size() + pool._max_overflow)
        for name, pool in found.items()
        if isinstance(pool, QueuePool)
    ]


def _of_all(connection: Connection, practices: Sequence[str], stale_before: datetime) -> Freshness:
    tables = [f'"{name}".syncs' for name in practices]
    rows = [
        row for first in range(0, len(tables), _AT_ONCE) for row in _read(connection, tables[first : first + _AT_ONCE])
    ]
    times = [[row[position] for position in range(len(Model)) if row[position] is not None] for row in rows]
    stale = sum(not each or max(each) < stale_before for each in times)
    whole = _together(rows)
    return Freshness(whole.last_good, whole.stored, len(practices), stale)


def _read(connection: Connection, tables: Sequence[str]) -> list[Any]:
    """Return a row for each table of syncs: the times of the last good sync of each model, then the rows of each."""
    selected = [_LAST_GOOD.format(table="{table}", plural=model.plural) + f" AS {model.plural}_at" for model in Model]
    selected += [_STORED.format(table="{table}", plural=model.plural) + f" AS {model.plural}" for model in Model]
    each = "SELECT " + ", ".join(selected)
    statement = text(" UNION ALL ".join(each.format(table=table) for table in tables)).columns(
        *(column(f"{model.plural}_at", UtcTime) for model in Model),
        *(column(model.plural, BigInteger) for model in Model),
    )
    return list(connection.execute(statement))


def _together(rows: Sequence[Any]) -> Freshness:
    last_good: dict[Model, datetime] = {}
    stored: dict[Model, int] = {}
    for position, model in enumerate(Model):
        times = [row[position] for row in rows if row[position] is not None]
        if times:
            last_good[model] = min(times)
        stored[model] = sum(row[len(Model) + position] or 0 for row in rows)
    return Freshness(last_good, stored)
