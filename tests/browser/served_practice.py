"""The believable practice behind a running server, and what its external system and its keys can do there."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api import MULTIPART, multipart, part
from browser import believable
from browser.believable import Row
from builders import array
from keyring import Keyring
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from server import Server, serving


class ServedPractice:
    """A server with its database."""

    def __init__(self, server: Server, keyring: Keyring) -> None:
        self.server = server
        self.keyring = keyring
        self._days = itertools.count(believable.DAYS + 1)
        self._bearer = {"Authorization": f"Bearer {self.key(Role.ADMIN, name='the external system')}"}

    @property
    def address(self) -> str:
        """Host and port."""
        return self.server.address

    def key(self, role: Role, name: str = "a person") -> str:
        """Return a new key with the role."""
        return self.keyring.key(role, name=name)

    def revoke(self, key: str) -> None:
        """End a key."""
        parsed = api_keys.parse(key)
        assert parsed is not None
        with self.keyring.store.keys() as stored:
            stored.revoke(parsed.key_id, datetime.now(UTC))

    def new_day(self) -> int:
        """Return a later day that no other test has had, since an undo makes that the files of its day are refused."""
        return next(self._days)

    def sync_day(self, day: int, *, dry_run: bool = False) -> dict[str, Any]:
        """Sync the state of a day over the API; return the report."""
        return self.sync(believable.patients(day), believable.payments(day), dry_run=dry_run)

    def sync(self, patients: list[Row], payments: list[Row], *, dry_run: bool = False) -> dict[str, Any]:
        """Sync both models over the API, whatever has to be deleted; return the report."""
        body = multipart(part("patients", array(*patients)), part("payments", array(*payments)))
        path = f"/snapshot?max_delete=100%25&dry_run={str(dry_run).lower()}"
        answer = self.server.post(path, body, MULTIPART, **self._bearer)
        assert answer.status == 200, answer.body
        report: dict[str, Any] = answer.json
        return report

    def read(self, path: str) -> Any:
        """Return what the API answers to a GET request."""
        answer = self.server.get(path, self._bearer)
        assert answer.status == 200, answer.body
        return answer.json

    @property
    def last_sync(self) -> dict[str, Any]:
        """The report of the last sync."""
        report: dict[str, Any] = self.read("/syncs?limit=1")[0]
        return report

    @property
    def sum(self) -> object:
        """The sum of all payments."""
        return self.read("/stats")["sum"]

    @property
    def state(self) -> tuple[object, object]:
        """What moves if anything is changed: the sum and the last sync."""
        return self.sum, self.last_sync


@contextmanager
def served_practice(folder: Path, database_url: str, **settings: str) -> Iterator[ServedPractice]:
    """Serve an empty, migrated database with API keys for the block.

    Args:
        settings: settings of the application without their prefix, which replace those of development.ini.
    """
    app = {f"paymentagg.{name}": value for name, value in ({"access": "keys"} | settings).items()}
    keyring = Keyring(database_url)
    with serving(folder, database_url, app) as server:
        yield ServedPractice(server, keyring)
    keyring.store.close()


Serve = Callable[..., ServedPractice]
"""The type of the fixture ``serve``."""
