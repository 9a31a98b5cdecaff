"""The browser, and the believable practice behind a server on each engine."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser

from browser import believable
from browser.chromium import running_chromium
from browser.person import Person, Visit
from browser.served_practice import Serve, ServedPractice, served_practice
from paymentagg.adapters.sql import schema
from paymentagg.domain.access import Role
from postgres import scratch_database


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; the tests fail where it isn't installed."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def practice_on_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPractice]:
    """A server with the practice in a file, for all tests of a process."""
    folder = tmp_path_factory.mktemp("sqlite")
    url = f"sqlite:///{shutil.copy(migrated_sqlite, folder / 'paymentagg.sqlite')}"
    with served_practice(folder, url) as practice:
        _live(practice)
        yield practice


@pytest.fixture(scope="session")
def practice_on_postgresql(
    postgres_server: sa.URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedPractice]:
    """A server with the practice in a PostgreSQL database, for all tests of a process."""
    with scratch_database(postgres_server) as url:
        engine = sa.create_engine(url)
        schema.upgrade(engine)
        engine.dispose()
        with served_practice(tmp_path_factory.mktemp("postgresql"), url) as practice:
            _live(practice)
            yield practice


@pytest.fixture
def sqlite_practice(practice_on_sqlite: ServedPractice) -> ServedPractice:
    """The practice on SQLite, as it is after its last day."""
    practice_on_sqlite.sync_day(believable.DAYS)
    return practice_on_sqlite


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves an empty, migrated database for this test alone; see ``served_practice``."""
    with ExitStack() as servers:

        def serve(database_url: str, **settings: str) -> ServedPractice:
            return servers.enter_context(served_practice(tmp_path / "server", database_url, **settings))

        yield serve


@pytest.fixture(params=["sqlite", "postgresql"])
def practice(request: pytest.FixtureRequest) -> ServedPractice:
    """The practice on each engine, as it is after its last day."""
    practice: ServedPractice = request.getfixturevalue(f"practice_on_{request.param}")
    practice.sync_day(believable.DAYS)
    return practice


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs JavaScript."""
    found: bool = request.param
    return found


@pytest.fixture
def visit(browser: Browser, serve: Serve) -> Iterator[Visit]:  # noqa: ARG001  # people leave before servers stop
    """Opens a browser on the pages of a practice, signed in if a role is given; see Person for the options."""
    with ExitStack() as people:

        def visit(practice: ServedPractice, role: Role | None, **options: Any) -> Person:
            person = people.enter_context(Person(browser, practice.address, **options))
            if role is not None:
                person.open("/ui/sign-in")
                person.sign_in(practice.key(role))
                person.heading("Overview").wait_for()
            return person

        yield visit


def _live(practice: ServedPractice) -> None:
    """Sync every day up to the last one."""
    for day in range(1, believable.DAYS + 1):
        practice.sync_day(day)
