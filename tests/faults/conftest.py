"""A PostgreSQL that may be stopped and filled."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from paymentagg.adapters.sql import schema
from postgres import Postgres, connect, own_postgres, scratch_database


@pytest.fixture
def frail_url(frail: Postgres) -> Iterator[str]:
    """The URL of an empty, migrated database on it."""
    with scratch_database(frail.url) as url:
        engine = sa.create_engine(url)
        schema.upgrade(engine)
        engine.dispose()
        yield url


@pytest.fixture(scope="package")
def frail() -> Iterator[Postgres]:
    """A server that a test may disturb. It keeps what it has committed: it waits for the disk, unlike the others'."""
    with own_postgres() as server:
        with connect(server.url) as connection:  # after a crash, one call instead of one for each file
            connection.execute(sa.text("ALTER SYSTEM SET recovery_init_sync_method = syncfs"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        yield server
