"""Takes back syncs, by the same few statements whatever the number of rows."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    Delete,
    Executable,
    Insert,
    Select,
    Text,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.sql.type_api import TypeEngine
from typing_extensions import override

from paymentagg.adapters.sql import past_syncs
from paymentagg.adapters.sql.departures import write
from paymentagg.adapters.sql.engines.dialect import InsertWithIds, UpsertWithIds
from paymentagg.adapters.sql.row_history import (
    PATIENT_FIELDS,
    STORED_FIELDS,
    VOLATILE,
    as_json,
    deleted_patients,
    deleted_payments,
    json_field,
    keep,
    kept,
    payment_fields,
)
from paymentagg.adapters.sql.tables import (
    TABLES,
    TOTAL_COLUMNS,
    UtcTime,
    patients,
    payment_totals,
    payments,
    row_changes,
    syncs,
)
from paymentagg.adapters.sql.totals import correction
from paymentagg.domain.changes import Effect
from paymentagg.domain.model import Model
from paymentagg.domain.ports import DoneSync, Reversal


class SqlReversal(Reversal):
    """Takes back syncs in a database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    def latest(self) -> int | None:
        return past_syncs.latest(self._connection)

    @override
    def find(self, sync_id: int) -> DoneSync | None:
        found = self._connection.execute(select(syncs).where(syncs.c.id == sync_id)).mappings().one_or_none()
        if found is None:
            return None
        last_ids = {model: found[past_syncs.last_id_of(model).name] for model in Model}
        return DoneSync(
            past_syncs.report_in(found),
            past_syncs.digests_in(found),
            last_ids=None if None in last_ids.values() else last_ids,
            kept={Model(row.model): Effect(0, *row[1:]) for row in self._connection.execute(_numbers_kept(sync_id))},
            undone_by=past_syncs.undone_by(self._connection, sync_id),
        )

    @override
    def run(self, done: DoneSync, *, history: int | None) -> Mapping[Model, Effect]:
        run = partial(write, self._connection)
        undo = _Statements(done)
        if history is not None:
            for rows in undo.rows_to_keep(history):
                run(keep(rows))
        # Patients come back before payments that belong to them, and go when no payment does any more.
        patients_back = run(undo.bring_back(Model.PATIENT))
        run(undo.add_totals())
        run(undo.correct_totals())
        payments_gone = run(undo.delete_created(Model.PAYMENT))
        payments_restored = run(undo.restore(Model.PAYMENT))
        payments_back = run(undo.bring_back(Model.PAYMENT))
        patients_restored = run(undo.restore(Model.PATIENT))
        run(undo.delete_totals())
        patients_gone = run(undo.delete_created(Model.PATIENT))
        return {
            Model.PATIENT: Effect(patients_back, patients_restored, patients_gone),
            Model.PAYMENT: Effect(payments_back, payments_restored, payments_gone),
        }


def _field(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]]) -> ColumnElement[Any]:
    """Return a field of a row as it was before the sync."""
    return json_field(row_changes.c.before, name, type_() if isinstance(type_, type) else type_)


_FIELDS: dict[Model, dict[str, ColumnElement[Any]]] = {
    Model.PATIENT: {
        column: _field(name, Date if column == "date_of_birth" else Text) for name, column in PATIENT_FIELDS.items()
    },
    Model.PAYMENT: {"patient_id": _field("patient", BigInteger), "amount_cents": _field("cents", BigInteger)},
}
"""The columns of a row as they were before the sync."""

_UPDATED = literal("updated", Text())


class _Statements:
    """The statements that take back a sync. All conditions refer to the rows as it has left them."""

    def __init__(self, done: DoneSync) -> None:
        self._done = done

    def rows_to_keep(self, history: int) -> Iterator[Select[Any]]:
        """Yield queries for the rows of ``row_changes`` that the undo writes itself."""
        patient_after = as_json({name: _field(name, Text) for name in PATIENT_FIELDS})
        before = STORED_FIELDS[Model.PATIENT]
        columns = kept(history, Model.PATIENT, patients, kind=_UPDATED, before=before, after=patient_after)
        yield select(*columns).where(self._is_updated(Model.PATIENT))

        patient_id = _field("patientId", Text)
        before = STORED_FIELDS[Model.PAYMENT]
        columns = kept(
            history,
            Model.PAYMENT,
            payments,
            kind=_UPDATED,
            before=before,
            after=as_json(payment_fields(patient_id, _field("patient", BigInteger), _field("cents", BigInteger))),
            patient=patients.c.external_id,
            new_patient=patient_id,
        )
        of_patients = select(*columns).join_from(payments, patients, patients.c.id == payments.c.patient_id)
        yield of_patients.where(self._is_updated(Model.PAYMENT))

        for model, rows in ((Model.PATIENT, deleted_patients(history)), (Model.PAYMENT, deleted_payments(history))):
            if self._done.keeps_created(model):
                yield rows.where(self._is_created(model))

    def bring_back(self, model: Model) -> Insert:
        """Insert the rows that the sync deleted, under their old ids."""
        return InsertWithIds(TABLES[model]).from_select(*self._kept_rows(model, "deleted"))

    def restore(self, model: Model) -> Insert:
        """Restore the rows that the sync updated."""
        return UpsertWithIds(TABLES[model]).from_select(*self._kept_rows(model, "updated"))

    def _kept_rows(self, model: Model, kind: str) -> tuple[list[str], Select[Any]]:
        """Return the names of a model's columns, and the query for rows as they were before the sync."""
        columns = {
            "id": row_changes.c.row_id,
            "external_id": row_changes.c.external_id,
            **_FIELDS[model],
            "created": _field("created", UtcTime),
            "updated": _field("updated", UtcTime),
        }
        return list(columns), select(*columns.values()).where(self._is_kept(model, kind), VOLATILE)

    def delete_created(self, model: Model) -> Delete:
        """Delete the rows that the sync created."""
        return delete(TABLES[model]).where(self._is_created(model))

    def add_totals(self) -> Insert:
        """Add the totals of the patients who are back, without their payments."""
        back = select(row_changes.c.row_id, literal(0), literal(0)).where(self._is_kept(Model.PATIENT, "deleted"))
        return insert(payment_totals).from_select(TOTAL_COLUMNS, back)

    def delete_totals(self) -> Delete:
        """Delete the totals of the patients whom the sync created."""
        created = select(patients.c.id).where(self._is_created(Model.PATIENT))
        return delete(payment_totals).where(payment_totals.c.patient_id.in_(created))

    def correct_totals(self) -> Executable:
        """Subtract the payments that the sync created or updated; add those updated or deleted, as they were."""
        stored = select(payments.c.patient_id, -payments.c.amount_cents, literal(-1))
        before = select(_field("patient", BigInteger), _field("cents", BigInteger), literal(1))
        return correction(
            before.where(self._is_kept(Model.PAYMENT)),
            stored.where(self._is_created(Model.PAYMENT)),
            stored.where(self._is_updated(Model.PAYMENT)),
        )

    def _is_created(self, model: Model) -> ColumnElement[bool]:
        table, last_ids = TABLES[model], self._done.last_ids or {}
        return (table.c.id > last_ids[model]) & (table.c.created == self._done.report.started_at)

    def _is_updated(self, model: Model) -> ColumnElement[bool]:
        return (TABLES[model].c.id == row_changes.c.row_id) & self._is_kept(model, "updated")

    def _is_kept(self, model: Model, kind: str | None = None) -> ColumnElement[bool]:
        is_of_sync = (row_changes.c.sync_id == self._done.report.id) & (row_changes.c.model == model.value)
        return is_of_sync if kind is None else is_of_sync & (row_changes.c.kind == kind)


def _numbers_kept(sync_id: int) -> Select[Any]:
    """Count the rows of a sync's history by model: updated, deleted, and payments deleted along with their patients."""
    rows, gone = row_changes, row_changes.alias("gone")
    is_gone = (
        (gone.c.sync_id == sync_id)
        & (gone.c.model == Model.PATIENT.value)
        & (gone.c.kind == "deleted")
        & (gone.c.external_id == rows.c.patient_external_id)
    )
    is_deleted, with_patient = rows.c.kind == "deleted", gone.c.sync_id.is_not(None)
    return (
        select(
            rows.c.model,
            func.count().filter(~is_deleted),
            func.count().filter(is_deleted, ~with_patient),
            func.count().filter(is_deleted, with_patient),
        )
        .outerjoin_from(rows, gone, is_gone)
        .where(rows.c.sync_id == sync_id)
        .group_by(rows.c.model)
    )
