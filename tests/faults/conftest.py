"""A PostgreSQL server that tests may stop and fill."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from paymentagg.adapters.sql import schema
from postgres import Postgres, connect, own_postgres, scratch_database


@pytest.fixture
def disposable_url(disposable_postgres: Postgres) -> Iterator[str]:
    """The URL of an empty, migrated database on that server."""
    with scratch_database(disposable_postgres.url) as url:
        engine = sa.create_engine(url)
        schema.upgrade(engine)
        engine.dispose()
        yield url


@pytest.fixture(scope="package")
def disposable_postgres() -> Iterator[Postgres]:
    """A server that tests may stop. Unlike the other tests' server it has fsync on, so no commit is lost."""
    with own_postgres() as server:
        with connect(server.url) as connection:  # faster recovery: one call instead of one for each file
            connection.execute(sa.text("ALTER SYSTEM SET recovery_init_sync_method = syncfs"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        yield server
