"""API keys for tests, and an application that requires them."""

import secrets
from datetime import UTC, datetime, timedelta

from webtest import TestApp

from paymentagg.app import main
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from stores import SqlStore


class Keyring:
    """Creates API keys in a database."""

    def __init__(self, database_url: str) -> None:
        self.store = SqlStore(database_url)

    def key(self, role: Role, *, name: str = "a client", days_ago: int = 0, revoked: bool = False) -> str:
        """Return the text of a new key that was created ``days_ago`` and expires 90 days after that."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        key, text = api_keys.issue(name, role, days=90, at=at, others=())
        with self.store.keys() as stored:
            stored.add(key)
            if revoked:
                stored.revoke(key.id, at)
        return text


def forged(key_id: str = "00000000", secret: str | None = None) -> str:
    """Return a well-formed key that was never issued, with a random secret unless one is given."""
    text = f"pagg_{key_id}_{secret or secrets.token_urlsafe(32)}"
    return text + api_keys.checksum(text)


def secret_of(key: str) -> str:
    """Return the secret in the text of a key."""
    parsed = api_keys.parse(key)
    assert parsed is not None
    return parsed[1]


def closed(database_url: str) -> TestApp:
    """Return a client without a key, for an application that requires keys."""
    return TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "keys"}))


def using(app: TestApp, key: str | None, *, address: str = "192.0.2.1") -> TestApp:
    """Return a client of the same application, with this key and IP address."""
    header = {} if key is None else {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    return TestApp(app.app, extra_environ={"REMOTE_ADDR": address, **header})
