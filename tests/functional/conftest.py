"""The complete application, with real databases and transactions."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
from keyring import Keyring
from paymentagg.app import main


@pytest.fixture
def app(database_url: str) -> TestApp:
    """A client of the application with an empty database, on each engine."""
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))


@pytest.fixture
def practice(app: TestApp) -> TestApp:
    """The client ``app``, which a module may override, after the small practice was synced."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    return app


@pytest.fixture
def keys(database_url: str) -> Iterator[Keyring]:
    """Creates API keys in the database of ``app``."""
    keyring = Keyring(database_url)
    yield keyring
    keyring.store.close()
