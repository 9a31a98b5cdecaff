"""All that a store keeps of rows and their history, in one form for memory and databases."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from paymentagg.adapters.sql.tables import patients, payment_totals, payments, row_changes
from paymentagg.domain.model import Patient, Payment
from paymentagg.domain.money import from_cents, to_cents
from stores import MemoryStore, SqlStore, Store


class Kept(msgspec.Struct, frozen=True):
    """A row of the history; ``patient`` and ``new_patient`` are external ids."""

    sync: int
    id: int
    before: Patient | Payment
    created: datetime
    updated: datetime
    after: Patient | Payment | None = None
    patient: str | None = None
    new_patient: str | None = None


def history(store: Store) -> list[Kept]:
    """Return the history of a store, by sync, model and row."""
    if isinstance(store, MemoryStore):
        kept = [
            Kept(
                each.sync,
                each.before.id,
                each.before.record,
                each.before.created,
                each.before.updated,
                each.after,
                *_patients(each.before.record, each.after),
            )
            for each in store.state.history
        ]
        return sorted(kept, key=lambda each: (each.sync, type(each.before).__name__, each.id))
    assert isinstance(store, SqlStore)
    order = (row_changes.c.sync_id, row_changes.c.model, row_changes.c.row_id)
    with store.engine.connect() as connection:
        found = connection.execute(sa.select(row_changes).order_by(*order)).mappings().all()
    return [_kept(row) for row in found]


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Return every column of every patient, payment and total, by id."""
    if isinstance(store, MemoryStore):
        state = store.state
        ids = {row.record.external_id: row.id for row in state.patients.rows.values()}
        amounts: dict[int, list[int]] = {row_id: [] for row_id in ids.values()}
        for row in state.payments.rows.values():
            amounts[ids[row.record.patient_id]].append(to_cents(row.record.amount))
        return {
            "patients": [
                (row.id, *row.record.texts(), row.created, row.updated) for row in state.patients.rows.values()
            ],
            "payments": [
                (row.id, *row.record.texts(), row.created, row.updated) for row in state.payments.rows.values()
            ],
            "totals": sorted((row_id, sum(cents), len(cents)) for row_id, cents in amounts.items()),
        }
    assert isinstance(store, SqlStore)
    with store.engine.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in (patients, payments, payment_totals)
        }


def _patients(before: Patient | Payment, after: Patient | Payment | None) -> tuple[str | None, str | None]:
    """Return the external ids of a payment's patient before the sync, and after it if that is another one."""
    if not isinstance(before, Payment):
        return None, None
    moved = isinstance(after, Payment) and after.patient_id != before.patient_id
    return before.patient_id, after.patient_id if moved and isinstance(after, Payment) else None


def _kept(row: Any) -> Kept:
    """Return a row of the table ``row_changes``."""
    before = msgspec.json.decode(row["before"], type=dict[str, Any])
    after = None if row["after"] is None else msgspec.json.decode(row["after"], type=dict[str, Any])
    created, updated = (_time(before.pop(name)) for name in ("created", "updated"))
    assert row["kind"] == ("deleted" if after is None else "updated")
    return Kept(
        row["sync_id"],
        row["row_id"],
        _record(row["model"], row["external_id"], before),
        created,
        updated,
        None if after is None else _record(row["model"], row["external_id"], after),
        row["patient_external_id"],
        row["new_patient_external_id"],
    )


def _record(model: str, external_id: str, fields: dict[str, Any]) -> Patient | Payment:
    if model == "patient":
        assert fields.keys() == {"firstName", "lastName", "middleName", "dateOfBirth", "searchName"}
        return msgspec.convert({"externalId": external_id, **fields}, Patient)
    assert fields.keys() == {"patientId", "patient", "cents"}
    assert isinstance(fields["patient"], int)
    return Payment(external_id, fields["patientId"], from_cents(fields["cents"]))


def _time(text: str) -> datetime:
    """Return a time as an engine writes it; SQLite writes no zone."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
