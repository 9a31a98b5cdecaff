"""The indexes of ``tables`` that have options of an engine: naming them imports the engine's dialect.

Only the migrations, which create them, import this module.
"""

from typing import Any

from sqlalchemy import Column, Index, text

from paymentagg.adapters.sql.tables import row_changes, syncs


def _partial(name: str, condition: str, *columns: Column[Any], on_sqlite: str | None = None) -> None:
    """Add an index of the rows that fulfil a condition, to the columns' table; ``on_sqlite``: in SQLite's words."""
    Index(name, *columns, postgresql_where=text(condition), sqlite_where=text(on_sqlite or condition))


_changes = row_changes.c
_partial("ix_syncs_changed", "changed", syncs.c.id, on_sqlite="changed = 1")
_partial("ix_syncs_undoes", "undoes IS NOT NULL", syncs.c.undoes)
_partial("ix_row_changes_deleted", "kind = 'deleted'", _changes.model, _changes.row_id, _changes.sync_id)
for _patient in (_changes.patient_external_id, _changes.new_patient_external_id):
    _name = f"ix_row_changes_{_patient.name}_sync_id"
    _partial(_name, f"{_patient.name} IS NOT NULL", _patient, _changes.sync_id)
