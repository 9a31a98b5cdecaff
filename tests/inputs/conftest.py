"""The application and its store, on a database that the tests of a module share."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from paymentagg.app import main
from stores import SqlStore


@pytest.fixture(scope="module")
def app(shared_database_url: str) -> TestApp:
    """The application."""
    return TestApp(main({}, **{"sqlalchemy.url": shared_database_url}))


@pytest.fixture(scope="module")
def store(shared_database_url: str) -> Iterator[SqlStore]:
    """The application's store, emptied."""
    store = SqlStore(shared_database_url)
    store.empty()
    yield store
    store.close()
