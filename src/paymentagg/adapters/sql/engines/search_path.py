"""Gives each connection of a PostgreSQL engine the schema of one practice while it is in use, and none when it isn't.

All practices share the connections of a pool, and the statements that were compiled for its engine: only the search
path differs. A transaction that is rolled back would take its ``SET`` back, so each is committed on its own.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import PoolResetState

from paymentagg.domain.errors import PaymentAggError

PRACTICE = "practice"
"""The execution option with the name of the practice, which is that of its schema. Without it no table is found."""

FALLBACK = "fallback"
"""The execution option with a schema in which tables are found that the practice doesn't have."""

NOWHERE = {"search_path": ""}
"""The settings of a connection that was given to no practice yet."""


def apply(engine: Engine) -> None:
    """Set the search path of each connection to the practice in its options, and empty it when it is returned.

    Raises:
        PaymentAggError: the database can't be used.
    """
    error_class = engine.dialect.loaded_dbapi.Error

    @event.listens_for(engine, "engine_connect")
    def checked_out(connection: Connection) -> None:
        options = connection.get_execution_options()
        practice: str | None = options.get(PRACTICE)
        if practice is None:
            return
        try:
            _set(connection.connection, ", ".join(f'"{name}"' for name in (practice, options.get(FALLBACK)) if name))
        except error_class as error:
            is_disconnect = engine.dialect.is_disconnect(error, connection.connection, None)
            if is_disconnect:
                connection.invalidate(error)
            connection.close()
            translate: Callable[..., PaymentAggError | None] = options["translate"]
            raise translate(error, is_disconnect=is_disconnect) or error from error

    @event.listens_for(engine, "reset")
    def returned(connection: Any, _record: object, state: PoolResetState) -> None:
        if not state.terminate_only:
            connection.rollback()
            _set(connection, "''")


def _set(connection: Any, path: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {path}")
    connection.commit()
