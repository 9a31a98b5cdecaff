"""The index of ``tables`` that has options of an engine: naming them imports the engine's dialect.

Only the migrations, which create it, import this module.
"""

from sqlalchemy import Index, text

from paymentagg.adapters.sql.tables import syncs

Index("ix_syncs_changed", syncs.c.id, postgresql_where=syncs.c.changed, sqlite_where=text("changed = 1"))
