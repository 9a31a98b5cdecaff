"""The application with a small practice on each engine; the tests of a module share the database."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
from paymentagg.app import main
from practice import Practice
from stores import SqlStore


@pytest.fixture
def app(service: TestApp, small: "SmallStore") -> TestApp:
    """The application, with PATIENTS and PAYMENTS stored."""
    small.restore()
    return service


@pytest.fixture
def empty(service: TestApp, small: "SmallStore") -> TestApp:
    """The application, with an empty store."""
    small.store.empty()
    return service


@pytest.fixture
def stored(app: TestApp, small: "SmallStore") -> Practice:  # noqa: ARG001  the application fills the store
    """The application's practice, with PATIENTS and PAYMENTS stored."""
    return small.practice


class SmallStore:
    """A store with PATIENTS and PAYMENTS. Few tests change it, so it is filled again only after those that do."""

    def __init__(self, service: TestApp, store: SqlStore) -> None:
        self.service = service
        self.store = store
        self.practice = Practice(store)
        self.initial: list[object] = []

    def restore(self) -> None:
        """Store PATIENTS and PAYMENTS, and nothing else, unless that is so already."""
        if not self.initial or self.practice.answers() != self.initial:
            self.store.empty()
            sync(self.service, "/patients", PATIENTS)
            sync(self.service, "/payments", PAYMENTS)
            self.initial = self.practice.answers()


@pytest.fixture(scope="module")
def small(service: TestApp, database_url: str) -> Iterator[SmallStore]:
    """The store of the tests of a module."""
    store = SqlStore(database_url)
    yield SmallStore(service, store)
    store.close()


@pytest.fixture(scope="module")
def service(database_url: str) -> TestApp:
    """The application, whatever is stored."""
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))


@pytest.fixture(scope="module")
def database_url(shared_database_url: str) -> str:
    """The URL of the database that the tests of a module share."""
    return shared_database_url
