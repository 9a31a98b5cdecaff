"""The real application over real databases, through its real transaction machinery."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
from keyring import Keyring
from paymentagg.app import main


@pytest.fixture
def app(database_url: str) -> TestApp:
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))


@pytest.fixture
def practice(app: TestApp) -> TestApp:
    """The application, or the one that a test puts in its place, with the small practice in it."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    return app


@pytest.fixture
def keys(database_url: str) -> Iterator[Keyring]:
    keyring = Keyring(database_url)
    yield keyring
    keyring.store.close()
