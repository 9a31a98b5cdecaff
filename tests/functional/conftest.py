"""The real application over real databases, through its real transaction machinery."""

import pytest
from webtest import TestApp

from paymentagg.app import main


@pytest.fixture
def app(database_url: str) -> TestApp:
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))
