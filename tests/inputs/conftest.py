"""The application over a database that the tests of a module share, and what is stored there."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from paymentagg.app import main
from stores import SqlStore


@pytest.fixture(scope="module")
def app(shared_database_url: str) -> TestApp:
    return TestApp(main({}, **{"sqlalchemy.url": shared_database_url}))


@pytest.fixture(scope="module")
def store(shared_database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(shared_database_url)
    store.empty()
    yield store
    store.close()
