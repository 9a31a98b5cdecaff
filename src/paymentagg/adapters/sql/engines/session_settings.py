"""The settings that each connection to PostgreSQL has before anything else is run: time-outs, and whether it may write.

As options of the connection they would cost no round trip, but PgBouncer refuses those, or drops them if it is told to
ignore them.
"""

from typing import Any

from sqlalchemy import Engine, event

from paymentagg.adapters.sql.engines import search_path

_ALL = {
    "timezone": "UTC",
    "application_name": "paymentagg",
    "client_connection_check_interval": "2s",  # ends a statement, and releases its locks, if its client was killed
    "idle_in_transaction_session_timeout": "10min",
}
# The lock times out before the statement does, so that the error says why.
_READING = {"default_transaction_read_only": "on", "lock_timeout": "4s", "statement_timeout": "5s"}
# A sync waits for another sync as long as for any lock. COPY takes as long as a pipe takes to deliver the snapshot.
_WRITING = {"default_transaction_read_only": "off", "lock_timeout": "5s", "statement_timeout": "1h"}


def apply(engine: Engine, *, read_only: bool, many: bool) -> None:
    """Give each new connection of a PostgreSQL engine its settings; the arguments are those of ``connect``."""
    settings = _ALL | (_READING if read_only else _WRITING) | (search_path.NOWHERE if many else {})
    statement = "; ".join(f"SET {name} TO '{value}'" for name, value in settings.items())

    @event.listens_for(engine, "connect", insert=True)  # before SQLAlchemy's own first statements
    def connected(connection: Any, _record: object) -> None:
        connection.autocommit = True  # a transaction would cost two round trips more
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.autocommit = False
