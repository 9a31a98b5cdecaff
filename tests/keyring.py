"""API keys for tests, and an application that requires them."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from webtest import TestApp

from paymentagg.app import main
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from postgres import NORTH, SOUTH
from stores import SqlStore


class Keyring:
    """Creates API keys in a database, or in that of one of many practices."""

    def __init__(self, database_url: str, practice: str | None = None) -> None:
        self.store = SqlStore(database_url, practice=practice)
        self._practice = practice

    def key(self, role: Role, *, name: str = "a client", days_ago: int = 0, revoked: bool = False) -> str:
        """Return the text of a new key that was created ``days_ago`` and expires 90 days after that."""
        at = datetime.now(UTC) - timedelta(days=days_ago)
        key, text = api_keys.issue(name, role, days=90, at=at, others=(), practice=self._practice)
        with self.store.keys() as stored:
            stored.add(key)
            if revoked:
                stored.revoke(key.id, at)
        return text


@contextmanager
def keyrings(database_url: str) -> Iterator[dict[str, Keyring]]:
    """Yield what creates keys in NORTH and SOUTH, by practice."""
    with ExitStack() as stack:
        made = {name: Keyring(database_url, name) for name in (NORTH, SOUTH)}
        for each in made.values():
            stack.callback(each.store.close)
        yield made


def forged(key_id: str = "00000000", secret: str | None = None) -> str:
    """Return a well-formed key that was never issued, with a random secret unless one is given."""
    text = f"pagg_{key_id}_{secret or secrets.token_urlsafe(32)}"
    return text + api_keys.checksum(text)


def secret_of(key: str) -> str:
    """Return the secret in the text of a key."""
    parsed = api_keys.parse(key)
    assert parsed is not None
    return parsed.secret


def closed(database_url: str, **settings: str) -> TestApp:
    """Return a client without a key, for an application that requires keys and has these other settings."""
    named = {f"paymentagg.{name}": value for name, value in settings.items()}
    return TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "keys"}, **named))


def using(app: TestApp, key: str | None, *, address: str = "192.0.2.1") -> TestApp:
    """Return a client of the same application, with this key and IP address."""
    header = {} if key is None else {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    return TestApp(app.app, extra_environ={"REMOTE_ADDR": address, **header})
