"""A database of practices on the Citus cluster that PAYMENTAGG_TEST_CITUS_URL names, with the role of the server."""

import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from paymentagg.adapters.sql.grants import APP_ROLE
from paymentagg.adapters.sql.wiring import SqlDatabase
from postgres import DRIVER, NORTH, SOUTH, connect, scratch_database


@pytest.fixture
def cluster_url() -> Iterator[str]:
    """The URL of a database with the practices NORTH and SOUTH, each on a worker of its own."""
    server = sa.make_url(os.environ["PAYMENTAGG_TEST_CITUS_URL"]).set(drivername=DRIVER)
    with connect(server) as connection:
        if not connection.scalar(sa.text("SELECT count(*) FROM pg_roles WHERE rolname = :role"), {"role": APP_ROLE}):
            connection.execute(sa.text(f"CREATE ROLE {APP_ROLE} LOGIN"))
    with scratch_database(server) as url:
        database = SqlDatabase(sa.make_url(url), many=True)
        for name in (NORTH, SOUTH):
            database.practices().create(name)
        database.writers.dispose()
        yield url
