"""Checks of the record of syncs, of the history and of the rejections: streamed, and decided by the domain."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, cast, func, select
from sqlalchemy.engine import RowMapping

from paymentagg.adapters.sql.departures import streamed
from paymentagg.adapters.sql.tables import COUNTS, api_keys, patients, payments, rejections, row_changes, syncs
from paymentagg.domain.model import Model
from paymentagg.domain.record_checks import (
    KeptChange,
    PatientState,
    PaymentState,
    Record,
    RecordedSync,
    RowHistory,
    State,
)
from paymentagg.domain.verification import Check, Finding, Verified

_FIGURES = [f"{model.plural}_{count}" for model in Model for count in COUNTS]
_AFTER = {model: f"{model.plural}_after" for model in Model}


class RecordChecks:
    """The checks of what past syncs have left, on one connection."""

    def __init__(self, connection: Connection, verified: Verified) -> None:
        self._connection = connection
        self._stored = {Model.PATIENT: verified.patients, Model.PAYMENT: verified.payments}

    def findings(self) -> Iterator[Finding]:
        """Check all syncs, then what each has changed and rejected, against the stored rows too."""
        record = Record()
        for row in self._rows(_syncs()):
            if row["key"] is not None and row["known_key"] is None:
                yield Finding(Check.SYNC_KEY, f"sync {row['id']}")
            yield from record.check(_recorded(row))
        for model, stored in self._stored.items():
            yield from record.check_rows(model, stored)
        for check, table in ((Check.HISTORY_SYNC, row_changes), (Check.REJECTIONS, rejections)):
            for (sync_id,) in self._connection.execute(streamed(_of_no_sync(table))):
                yield Finding(check, f"sync {sync_id}")
        for model, statement in ((Model.PATIENT, _patient_changes()), (Model.PAYMENT, _payment_changes())):
            history = RowHistory(model, record)
            for row in self._rows(statement):
                yield from history.check(_kept(model, row))
            yield from history.check_last()

    def _rows(self, statement: Select[Any]) -> Iterator[RowMapping]:
        return iter(self._connection.execute(streamed(statement)).mappings())


def _syncs() -> Select[Any]:
    counts = {f"{table.name}_{model}": _counts(table, model) for table in (row_changes, rejections) for model in Model}
    joined = syncs.outerjoin(api_keys, api_keys.c.id == syncs.c.key_id)
    for count in counts.values():
        joined = joined.outerjoin(count, count.c.sync_id == syncs.c.id)
    return (
        select(
            syncs.c.id,
            cast(syncs.c.started_at, Text).label("started_at"),
            cast(syncs.c.finished_at, Text).label("finished_at"),
            syncs.c.changed,
            syncs.c.report,
            syncs.c.undoes,
            *(syncs.c[name] for name in (*_FIGURES, *_AFTER.values())),
            syncs.c.patients_last_id.is_not(None).label("ordered"),
            syncs.c.key_id.label("key"),
            api_keys.c.id.label("known_key"),
            *(func.coalesce(count.c.rows, 0).label(name) for name, count in counts.items()),
        )
        .select_from(joined)
        .order_by(syncs.c.id)
    )


def _counts(table: Table, model: Model) -> Any:
    """Return the number of rows of each sync that are of a model."""
    counts = select(table.c.sync_id, func.count().label("rows")).where(table.c.model == model.value)
    return counts.group_by(table.c.sync_id).subquery(f"{table.name}_of_{model.plural}")


def _of_no_sync(table: Table) -> Select[Any]:
    """Select the numbers of syncs that a table names and that aren't recorded."""
    missing = select(table.c.sync_id).outerjoin(syncs, syncs.c.id == table.c.sync_id).where(syncs.c.id.is_(None))
    return missing.distinct().order_by(table.c.sync_id)


def _patient_changes() -> Select[Any]:
    stored = patients
    fields = (stored.c.first_name, stored.c.last_name, stored.c.middle_name)
    born = cast(stored.c.date_of_birth, Text).label("date_of_birth")
    return _changes(Model.PATIENT, stored, *fields, born)


def _payment_changes() -> Select[Any]:
    stored = payments
    their = patients.c.external_id.label("patient_id")
    statement = _changes(Model.PAYMENT, stored, their, stored.c.patient_id.label("patient"), stored.c.amount_cents)
    return statement.outerjoin(patients, patients.c.id == stored.c.patient_id)


def _changes(model: Model, stored: Table, *fields: ColumnElement[Any]) -> Select[Any]:
    """Select the history of a model's rows and the rows themselves, by row, then sync."""
    changes = row_changes
    return (
        select(
            changes.c.sync_id,
            changes.c.row_id,
            changes.c.external_id,
            changes.c.before,
            changes.c.after,
            stored.c.id,
            stored.c.external_id.label("stored_external_id"),
            *fields,
        )
        .select_from(changes.outerjoin(stored, stored.c.id == changes.c.row_id))
        .where(changes.c.model == model.value)
        .order_by(changes.c.row_id, changes.c.sync_id)
    )


def _recorded(row: RowMapping) -> RecordedSync:
    return RecordedSync(
        id=row["id"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        changed=bool(row["changed"]),
        report=row["report"],
        undoes=row["undoes"],
        ordered=bool(row["ordered"]),
        figures={name: row[name] for name in _FIGURES},
        after={model: row[name] for model, name in _AFTER.items()},
        history={model: row[f"row_changes_{model}"] for model in Model},
        rejections={model: row[f"rejections_{model}"] for model in Model},
    )


def _kept(model: Model, row: RowMapping) -> KeptChange:
    stored: State | None = None
    if row["id"] is not None and model is Model.PATIENT:
        stored = PatientState(row["first_name"], row["last_name"], row["middle_name"], row["date_of_birth"])
    elif row["id"] is not None:
        stored = PaymentState(row["patient_id"], row["patient"], row["amount_cents"])
    return KeptChange(
        sync=row["sync_id"],
        row=row["row_id"],
        external_id=row["external_id"],
        before=row["before"],
        after=row["after"],
        stored_external_id=row["stored_external_id"],
        stored=stored,
    )
