"""A schema with empty tables, in which the keys and sessions of practices that don't exist are looked up.

Without it such a look-up fails before the statement is planned, and the time that this saves tells whoever asks that
there is no such practice. For the same reason the wrong keys of all practices are counted here: neither the time nor
the count depends on the practice that a key names.
"""

from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from paymentagg.adapters.sql.engines import postgresql
from paymentagg.adapters.sql.engines.search_path import PRACTICE
from paymentagg.adapters.sql.grants import grant_look_ups
from paymentagg.adapters.sql.noting import noting
from paymentagg.adapters.sql.tables import api_keys, metadata, sessions, wrong_keys
from paymentagg.domain.api_keys import WrongKeys
from paymentagg.domain.errors import PaymentAggError, StorageUnavailable

SCHEMA = "paymentagg-nobody"
"""Its name, which can't be that of a practice."""

_TABLES = (api_keys, sessions, wrong_keys)
_EXISTS = text("SELECT to_regnamespace(:name) IS NOT NULL").bindparams(name=f'"{SCHEMA}"')
_LOCK = text("SELECT pg_advisory_xact_lock(:key, 0)").bindparams(key=postgresql.LOCK_KEY)
"""The lock of whoever creates it; no schema has the oid 0, so it is that of no practice."""


def provide(engine: Engine, *, renew: bool = False) -> None:
    """Create the schema if there is none.

    Args:
        engine: an engine for writing, which sees no practice.
        renew: whether to create its tables again if there are some, with the columns that this code knows.
    """
    one = engine.execution_options(**{PRACTICE: SCHEMA})
    with one.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(_LOCK)
        exists = connection.scalar(_EXISTS)
        if exists and not renew:
            return
        if not exists:
            connection.exec_driver_sql(f'CREATE SCHEMA "{SCHEMA}"')
        metadata.drop_all(connection, tables=_TABLES)
        metadata.create_all(connection, tables=_TABLES)
        grant_look_ups(connection, SCHEMA)


def count_wrong_key(writers: Engine, readers: Engine, address: str, at: datetime, window: timedelta) -> WrongKeys:
    """Count a wrong key of whatever practice, as ``SqlKeys.count_wrong`` does; the engines see no practice.

    Raises:
        StorageUnavailable: there is no such schema or table.
    """
    one = readers.execution_options(**{PRACTICE: SCHEMA}, translate=_translate)
    with noting(writers, one) as keys:
        return keys.count_wrong(address, at, window)


def _translate(error: BaseException, *, is_disconnect: bool) -> PaymentAggError | None:
    if getattr(error, "pgcode", None) == postgresql.UNDEFINED_TABLE:
        return StorageUnavailable("the schema paymentagg-nobody is missing or old; run: paymentagg-practices migrate")
    return postgresql.translate(error, is_disconnect=is_disconnect)
