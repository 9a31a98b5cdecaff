"""The real application over real databases, through its real transaction machinery."""

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, sync
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
