"""Many practices behind PgBouncer in session mode, whose connections go from one client to another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from builders import array, patient_row
from deployment.pgbouncer import pgbouncer
from keyring import Keyring
from paymentagg.adapters.sql.wiring import SqlDatabase
from paymentagg.domain.access import Role
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.queries import PatientQuery
from postgres import NORTH, SOUTH, connect
from server import Server, serving

SETTINGS = (
    "application_name",
    "client_connection_check_interval",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "timezone",
    "transaction_isolation",
)
CONNECTIONS = 8
"""Of PgBouncer to PostgreSQL: one for reading and one for syncs for each of the four threads of the server."""
ROUNDS = 12
BACKENDS = sa.text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")


@pytest.fixture
def one_connection(practices_url: str) -> Iterator[str]:
    """The URL of the database of NORTH and SOUTH behind PgBouncer, which has one connection to it."""
    with pgbouncer(practices_url, 1) as url:
        yield url


def settings_of(connection: Any) -> dict[str, str]:
    """Return the settings of a connection of the driver."""
    with closing(connection.cursor()) as cursor:
        found = {}
        for name in SETTINGS:
            cursor.execute(f"SHOW {name}")
            found[name] = cursor.fetchone()[0]
        return found


def backend_of(connection: Any) -> int:
    """Return the id of the server process of a connection of the driver."""
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def closed(database: SqlDatabase) -> None:
    database.readers.dispose()
    database.writers.dispose()


@pytest.mark.parametrize("pool", ["readers", "writers"])
@pytest.mark.parametrize("many", [True, False])
def test_connections_have_the_same_settings_as_without_it(
    practices_url: str, one_connection: str, pool: str, many: bool
) -> None:
    found = []
    for url in (practices_url, one_connection):
        database = SqlDatabase(sa.make_url(url), many=many)
        with getattr(database, pool).connect() as connection:
            found.append(settings_of(connection.connection))
        closed(database)
    assert found[0] == found[1]
    assert found[1]["statement_timeout"] != "0"


def test_what_reads_can_write_nothing(one_connection: str) -> None:
    database = SqlDatabase(sa.make_url(one_connection), many=True)
    with database.of(NORTH).readers.connect() as reading, pytest.raises(StorageUnavailable, match="25006"):
        reading.execute(sa.text("DELETE FROM patients"))
    closed(database)


def test_the_next_client_of_a_connection_finds_nothing_of_the_last_one(practices_url: str, one_connection: str) -> None:
    fresh = psycopg2.connect(
        sa.make_url(practices_url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
    expected = settings_of(fresh)
    fresh.close()
    plain = sa.make_url(one_connection).set(drivername="postgresql").render_as_string(hide_password=False)
    used = set()
    for name in (NORTH, SOUTH, NORTH):
        database = SqlDatabase(sa.make_url(one_connection), many=True)
        with closing(database.of(name).reader()) as reader:
            assert reader.patients.page(PatientQuery()).items == []
            used.add(backend_of(reader.connection.connection))
        closed(database)
        with closing(psycopg2.connect(plain)) as other:
            other.autocommit = True  # PgBouncer ends a connection that a client leaves in a transaction
            assert settings_of(other) == expected
            used.add(backend_of(other))
            with other.cursor() as cursor, pytest.raises(psycopg2.errors.UndefinedTable):
                cursor.execute("SELECT * FROM patients")
    assert len(used) == 1


def test_who_gets_no_connection_is_told_so(practices_url: str) -> None:
    with pgbouncer(practices_url, 1, wait=1) as url:
        database = SqlDatabase(sa.make_url(url), many=True)
        with database.of(NORTH).readers.connect():
            for engine in (database.of(SOUTH).writers, database.of(SOUTH).readers):
                with pytest.raises(StorageUnavailable):
                    engine.connect()
        database.readers.dispose()
        with database.of(SOUTH).writers.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM patients")) == 0
        closed(database)


def test_syncs_and_reads_of_two_practices_share_few_connections(practices_url: str, tmp_path: Path) -> None:
    keys = {}
    for name in (NORTH, SOUTH):
        keyring = Keyring(practices_url, name)
        keys[name] = keyring.key(Role.ADMIN)
        keyring.store.close()
    app = {"paymentagg.practices": "many", "paymentagg.access": "keys"}
    with (
        pgbouncer(practices_url, CONNECTIONS) as url,
        serving(tmp_path, url, app, threads="4") as server,
        ThreadPoolExecutor(2) as clients,
    ):
        each = [clients.submit(use, server, name, keys[name]) for name in (NORTH, SOUTH)]
        assert [done.result() for done in each] == [ROUNDS, ROUNDS]
        with connect(practices_url) as connection:
            assert len(connection.scalars(BACKENDS).all()) <= CONNECTIONS


def use(server: Server, name: str, key: str) -> int:
    """Sync and read one practice in turns; return how often it was right, with its own rows alone."""
    bearer, right = f"Bearer {key}", 0
    for number in range(1, ROUNDS + 1):
        rows = [patient_row(f"{name}-{each}") for each in range(number)]
        assert server.post("/patients", array(*rows), Authorization=bearer).status == 200
        pages = [server.get("/patients", {"Authorization": bearer, "Accept": media}) for media in ("*/*", "text/csv")]
        stored = [row["externalId"] for row in pages[0].json]
        right += stored == [row["externalId"] for row in rows] and pages[1].body.count(name.encode()) == number
    return right
