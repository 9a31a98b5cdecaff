"""Citus: PostgreSQL whose schemas can be distributed over the nodes of a cluster, each whole on one of them.

Citus joins no temporary table with a distributed one, and creates no table from a query in a distributed schema. So all
working tables are permanent there. Elsewhere those of ``working_tables.temporary`` are created by each sync, which lets
PostgreSQL pair in parallel.
"""

from sqlalchemy import Connection, text

from paymentagg.adapters.sql import working_tables

_HAS_CITUS = text("SELECT to_regclass('pg_catalog.pg_dist_schema') IS NOT NULL")
_IS_DISTRIBUTED = text(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_dist_schema"
    " WHERE schemaid = to_regnamespace(quote_ident(current_schema())))"
)
_HAS_TABLES = text(
    "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('paired_patients') AND relpersistence <> 't')"
)


def complete(connection: Connection) -> None:
    """Create the working tables that the schema of a connection lacks if Citus has distributed it."""
    if not connection.scalar(_HAS_CITUS) or not connection.scalar(_IS_DISTRIBUTED):
        return
    working_tables.create(connection, working_tables.temporary.sorted_tables, "UNLOGGED")


def has_all_working_tables(connection: Connection) -> bool:
    """Return whether all working tables of the schema are permanent."""
    return bool(connection.scalar(_HAS_TABLES))
