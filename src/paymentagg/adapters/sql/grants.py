"""The privileges of both roles in the schema of a practice: those that docs/roles.sql grants in ``public``."""

from sqlalchemy import Connection

from paymentagg.adapters.sql.engines import citus
from paymentagg.adapters.sql.views import VIEWS

APP_ROLE = "paymentagg_app"
"""The role of the server and of paymentagg-sync. Where it doesn't exist, they use the owner's: nothing is granted."""

READER_ROLE = "paymentagg_reader"
"""The role of analysts, if it exists."""

_COUNTING = "SELECT, INSERT, UPDATE, DELETE ON {s}.wrong_keys"
_READING = (
    "SELECT ON {s}.alembic_version, {s}.api_keys, {s}.sessions, {s}.syncs, {s}.row_changes, {s}.rejections",
    "SELECT ON {s}.patients, {s}.payments, {s}.payment_totals",
    # Who reads signs in, and wrong keys are counted.
    "INSERT, DELETE ON {s}.sessions",
    _COUNTING,
)
_NOTING_USE = "UPDATE (last_used) ON {s}.api_keys"
_NOTING_USE_ON_CITUS = "UPDATE ON {s}.api_keys"
"""Citus 13 has no privileges for columns."""

_WRITING = (
    "INSERT ON {s}.syncs, {s}.row_changes, {s}.rejections",
    "USAGE ON SEQUENCE {s}.syncs_id_seq",
    "INSERT, UPDATE, DELETE ON {s}.patients, {s}.payments, {s}.payment_totals",
    "SELECT, INSERT, TRUNCATE ON {s}.staged_patients, {s}.staged_payments, {s}.disputed_ids, {s}.rejected_rows",
)
_ANALYZING = "MAINTAIN ON {s}.staged_patients, {s}.staged_payments, {s}.disputed_ids, {s}.rejected_rows"
_PAIRING = "SELECT, INSERT, UPDATE, TRUNCATE ON {s}.paired_patients, {s}.paired_payments"
_SINCE_17 = 170_000

_ANALYSTS = f"SELECT ON {', '.join(f'{{s}}.{view}' for view in VIEWS)}"
_BEHIND_VIEWS_ON_CITUS = "SELECT ON {s}.patients, {s}.payments, {s}.payment_totals"
"""Citus replaces a view by its tables and reads these on the worker, as whoever asks and not as the view's owner."""


def grant(connection: Connection, practice: str, *, writable: bool) -> None:
    """Give each role what it needs in the schema of a practice, and take everything else from it."""
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar() or 0)
    on_citus = citus.has_all_working_tables(connection)
    granted = [*_READING, _NOTING_USE_ON_CITUS if on_citus else _NOTING_USE, *(_WRITING if writable else ())]
    if writable and version >= _SINCE_17:
        granted.append(_ANALYZING)
    if writable and on_citus:
        granted.append(_PAIRING)
    _replace(connection, practice, APP_ROLE, granted)
    _replace(connection, practice, READER_ROLE, [_ANALYSTS, *([_BEHIND_VIEWS_ON_CITUS] if on_citus else [])])


def _replace(connection: Connection, practice: str, name: str, granted: list[str]) -> None:
    """Give a role, if it exists, privileges in the schema of a practice, and take all others from it."""
    if not _is_there(connection, name):
        return
    schema, role = f'"{practice}"', f'"{name}"'
    for kind in ("TABLES", "SEQUENCES"):
        connection.exec_driver_sql(f"REVOKE ALL ON ALL {kind} IN SCHEMA {schema} FROM {role}")
    for privileges in ("USAGE ON SCHEMA {s}", *granted):
        connection.exec_driver_sql(f"GRANT {privileges.format(s=schema)} TO {role}")


def grant_look_ups(connection: Connection, schema: str) -> None:
    """Let the server's role look up keys and sessions in a schema, and count wrong keys there."""
    if not _is_there(connection, APP_ROLE):
        return
    schema, role = f'"{schema}"', f'"{APP_ROLE}"'
    for privileges in ("USAGE ON SCHEMA {s}", "SELECT ON {s}.api_keys, {s}.sessions", _COUNTING):
        connection.exec_driver_sql(f"GRANT {privileges.format(s=schema)} TO {role}")


def _is_there(connection: Connection, role: str) -> bool:
    found = connection.exec_driver_sql("SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role})
    return bool(found.all())
