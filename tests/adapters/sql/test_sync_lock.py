"""PostgreSQL's lock of a sync: one for each schema of a database."""

import pytest
import sqlalchemy as sa

from paymentagg.adapters.sql.engines.postgresql import LOCK, LOCK_KEY

SCHEMAS = ("north", "south")


@pytest.fixture
def url(new_postgres_url: str) -> str:
    """The URL of a database with two schemas."""
    engine = sa.create_engine(new_postgres_url)
    with engine.begin() as connection:
        for schema in SCHEMAS:
            connection.execute(sa.text(f"CREATE SCHEMA {schema} CREATE TABLE syncs (id bigint)"))
    engine.dispose()
    return new_postgres_url


def in_schema(url: str, schema: str) -> sa.Connection:
    """Return a connection that sees this schema alone, and waits for a lock as briefly as possible."""
    options = {"options": f"-c search_path={schema} -c lock_timeout=1ms"}
    return sa.create_engine(url, connect_args=options, poolclass=sa.NullPool).connect()


def test_syncs_in_different_schemas_dont_wait_for_each_other(url: str) -> None:
    with in_schema(url, "north") as one, in_schema(url, "south") as other:
        one.execute(LOCK)
        other.execute(LOCK)


def test_syncs_in_the_same_schema_wait_for_each_other(url: str) -> None:
    with in_schema(url, "north") as one, in_schema(url, "north") as other:
        one.execute(LOCK)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            other.execute(LOCK)


def test_syncs_wait_for_each_other_if_they_find_the_tables_on_different_search_paths(url: str) -> None:
    with in_schema(url, "missing,north") as one, in_schema(url, "north,south") as other:
        one.execute(LOCK)
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            other.execute(LOCK)


def test_the_second_key_is_the_oid_of_the_schema(url: str) -> None:
    with in_schema(url, "south") as connection:
        connection.execute(LOCK)
        held = sa.text("SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        oid = connection.scalar(sa.text("SELECT oid FROM pg_namespace WHERE nspname = 'south'"))
        assert connection.execute(held).all() == [(LOCK_KEY, oid)]


def test_without_tables_there_is_an_error_and_no_lock(url: str) -> None:
    with in_schema(url, "missing") as connection, pytest.raises(sa.exc.ProgrammingError, match="syncs"):
        connection.execute(LOCK)
