"""Short writes that come with a read, such as the use of a key, and for which no request may wait long."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from paymentagg.adapters.sql.api_keys import SqlKeys


@contextmanager
def noting(writers: Engine, readers: Engine) -> Iterator[SqlKeys]:
    """Yield the API keys for a short write, in a transaction of its own.

    On PostgreSQL it has the deadlines of reads, on SQLite it waits for no other one.

    Raises:
        SyncInProgress: SQLite has one writer, and it is busy.
    """
    if writers.dialect.name == "postgresql":
        from paymentagg.adapters.sql.engines import postgresql  # imports psycopg2, which SQLite doesn't need

        with readers.connect() as connection:
            postgresql.isolate(connection, "READ COMMITTED")
            connection.execute(text("SET TRANSACTION READ WRITE"))
            yield SqlKeys(connection)
            connection.commit()
        return
    with writers.connect().execution_options(writing=True, impatient=True) as connection, connection.begin():
        yield SqlKeys(connection)
