"""A small practice on each engine, behind the real application; the tests of a module share the database."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
from paymentagg.app import main
from practice import Practice
from stores import SqlStore


@pytest.fixture
def app(service: TestApp, small: "Small") -> TestApp:
    """The application, over PATIENTS and PAYMENTS."""
    small.restore()
    return service


@pytest.fixture
def empty(service: TestApp, small: "Small") -> TestApp:
    """The application, over an empty store."""
    small.store.empty()
    return service


@pytest.fixture
def stored(app: TestApp, small: "Small") -> Practice:  # noqa: ARG001  the application fills the store
    """What is stored there."""
    return small.practice


class Small:
    """A store that has PATIENTS and PAYMENTS at the beginning of each test. Few tests change it, so few renew it."""

    def __init__(self, service: TestApp, store: SqlStore) -> None:
        self.service = service
        self.store = store
        self.practice = Practice(store)
        self.first: list[object] = []

    def restore(self) -> None:
        if not self.first or self.practice.answers() != self.first:
            self.store.empty()
            sync(self.service, "/patients", PATIENTS)
            sync(self.service, "/payments", PAYMENTS)
            self.first = self.practice.answers()


@pytest.fixture(scope="module")
def small(service: TestApp, database_url: str) -> Iterator[Small]:
    store = SqlStore(database_url)
    yield Small(service, store)
    store.close()


@pytest.fixture(scope="module")
def service(database_url: str) -> TestApp:
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))


@pytest.fixture(scope="module")
def database_url(shared_database_url: str) -> str:
    return shared_database_url
