"""API keys for tests, and the application as it is where keys are needed."""

from datetime import UTC, datetime, timedelta

from webtest import TestApp

from paymentagg.app import main
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from stores import SqlStore


class Keyring:
    """Makes keys in a database."""

    def __init__(self, database_url: str) -> None:
        self.store = SqlStore(database_url)

    def key(self, role: Role, *, name: str = "a client", days_ago: int = 0, revoked: bool = False) -> str:
        """Return the text of a new key that lives, or lived, for 90 days."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        key, text = api_keys.issue(name, role, days=90, at=at, others=())
        with self.store.keys() as stored:
            stored.add(key)
            if revoked:
                stored.revoke(key.id, at)
        return text


def closed(database_url: str) -> TestApp:
    """Return the application that needs keys, for a client that has none."""
    return TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "keys"}))


def using(app: TestApp, key: str | None, *, address: str = "192.0.2.1") -> TestApp:
    """Return the same application for a client with a key, at an address."""
    header = {} if key is None else {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    return TestApp(app.app, extra_environ={"REMOTE_ADDR": address, **header})
