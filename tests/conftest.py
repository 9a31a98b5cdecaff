"""Databases for tests (SQLite files, and one PostgreSQL server for the run), and a check of what each test logs."""

import gc
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa

from canaries import OF_PATIENTS, found
from paymentagg.adapters.sql import schema, unknown_practice
from paymentagg.adapters.sql.wiring import SqlDatabase
from postgres import DRIVER, NORTH, SOUTH, connect, empty, own_postgres, scratch_database

# The time that an example takes depends on the machine, not on the property, so there is no deadline.
hypothesis.settings.register_profile("paymentagg", deadline=None)
hypothesis.settings.load_profile("paymentagg")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--scale", type=int, default=1, metavar="N", help="multiply the attempts of randomised tests by N")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at thousands of collected tests again and again, while they run."""
    gc.collect()
    gc.freeze()


class LogLines(logging.Handler):
    """Keeps each record that is logged as the line that would be printed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(scope="session")
def logged() -> LogLines:
    """All that this process logs, DEBUG included; emptied before each test."""
    handler = LogLines()
    for name in ("paymentagg", "waitress"):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)
    return handler


@pytest.fixture(autouse=True)
def _no_log_shows_data_of_patients(logged: LogLines) -> Iterator[None]:
    logged.lines.clear()
    yield
    assert found("\n".join(logged.lines), OF_PATIENTS) == []


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> int:
    """The factor for the attempts of randomised tests: kills, reads during syncs, damaged snapshots."""
    factor: int = pytestconfig.getoption("--scale")
    return factor


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty, migrated database on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a migrated database on each engine, shared by the tests of a module, which empty it as they need."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("migrated_postgres")
        return url
    template: Path = request.getfixturevalue("migrated_sqlite")
    return f"sqlite:///{shutil.copy(template, tmp_path_factory.mktemp('shared') / 'paymentagg.sqlite')}"


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The URL of an empty, migrated SQLite file for this test alone."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'paymentagg.sqlite')}"


@pytest.fixture
def postgresql_url(migrated_postgres: str) -> str:
    """The URL of the migrated PostgreSQL database of the run, emptied for this test."""
    empty(migrated_postgres)
    return migrated_postgres


@pytest.fixture
def practices_url(migrated_practices: str) -> str:
    """The URL of the PostgreSQL database of the run that has the practices NORTH and SOUTH, emptied for this test."""
    empty(migrated_practices)
    return migrated_practices


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    file = tmp_path_factory.mktemp("template") / "paymentagg.sqlite"
    engine = sa.create_engine(f"sqlite:///{file}")
    schema.upgrade(engine)
    with engine.connect() as connection:  # the copies don't include the write-ahead log
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> str:
    """The URL of a migrated PostgreSQL database."""
    engine = sa.create_engine(postgres_url)
    schema.upgrade(engine)
    engine.dispose()
    return postgres_url


@pytest.fixture(scope="session")
def migrated_practices(postgres_server: sa.URL) -> Iterator[str]:
    """The URL of a PostgreSQL database that has the practices NORTH and SOUTH."""
    with scratch_database(postgres_server) as url:
        database = SqlDatabase(sa.make_url(url), many=True)
        for name in (NORTH, SOUTH):
            with connect(url) as connection:
                connection.execute(sa.text(f"CREATE SCHEMA {name}"))
                connection.execute(sa.text(f"COMMENT ON SCHEMA {name} IS 'paymentagg practice'"))
            schema.upgrade(database.of(name).writers)
        unknown_practice.provide(database.writers)
        database.writers.dispose()
        yield url


@pytest.fixture(scope="session")
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """The URL of a PostgreSQL database that is created for the run."""
    with scratch_database(postgres_server) as url:
        yield url


@pytest.fixture
def new_postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    """The URL of an empty PostgreSQL database for this test alone."""
    with scratch_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sa.URL]:
    """The URL of a server to create databases on: one named by the environment, else one started for the run."""
    named = os.environ.get("PAYMENTAGG_TEST_CITUS_URL") or os.environ.get("PAYMENTAGG_TEST_POSTGRES_URL")
    if named:
        yield sa.make_url(named).set(drivername=DRIVER)
        return
    with own_postgres() as server:
        with connect(server.url) as connection:  # tests needn't survive a crash: don't wait for the disk
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.execute(sa.text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        yield server.url
