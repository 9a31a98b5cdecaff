"""The indexes of ``tables`` that have options of an engine: naming them imports the engine's dialect.

Only the migrations, which create them, import this module.
"""

from sqlalchemy import Index, text

from paymentagg.adapters.sql.tables import row_changes, syncs

Index("ix_syncs_changed", syncs.c.id, postgresql_where=syncs.c.changed, sqlite_where=text("changed = 1"))
Index(
    "ix_syncs_undoes",
    syncs.c.undoes,
    postgresql_where=syncs.c.undoes.is_not(None),
    sqlite_where=text("undoes IS NOT NULL"),
)
Index(
    "ix_row_changes_patient_external_id_sync_id",
    row_changes.c.patient_external_id,
    row_changes.c.sync_id,
    postgresql_where=row_changes.c.patient_external_id.is_not(None),
    sqlite_where=text("patient_external_id IS NOT NULL"),
)
Index(
    "ix_row_changes_new_patient_external_id_sync_id",
    row_changes.c.new_patient_external_id,
    row_changes.c.sync_id,
    postgresql_where=row_changes.c.new_patient_external_id.is_not(None),
    sqlite_where=text("new_patient_external_id IS NOT NULL"),
)
Index(
    "ix_row_changes_deleted",
    row_changes.c.model,
    row_changes.c.row_id,
    row_changes.c.sync_id,
    postgresql_where=row_changes.c.kind == "deleted",
    sqlite_where=text("kind = 'deleted'"),
)
