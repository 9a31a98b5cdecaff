"""The audit log and clients that aren't let in: whose key it was, and floods that stay small."""

from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from auditlog import events
from keyring import Keyring, forged, using
from paymentagg.app import main
from paymentagg.domain.access import Role


@pytest.mark.parametrize(("made", "reason"), [({"revoked": True}, "revoked"), ({"days_ago": 91}, "expired")])
def test_a_key_that_is_no_longer_valid_is_noted_with_its_id_and_the_reason(
    app: TestApp, keys: Keyring, log: Path, made: dict[str, Any], reason: str
) -> None:
    key = keys.key(Role.ADMIN, **made)
    using(app, key).get("/patients/5", status=401)
    (line,) = events(log)
    assert (line["key"], line["role"], line["reason"]) == (key[5:13], None, reason)
    assert (line["route"], line["code"], line["status"]) == ("/patients/{externalId}", "unauthorized", 401)


def test_whoever_knows_only_the_public_id_of_a_key_is_not_taken_for_its_owner(
    app: TestApp, keys: Keyring, log: Path
) -> None:
    revoked = keys.key(Role.ADMIN, revoked=True)
    using(app, forged(revoked[:13])).get("/patients", status=401)
    (line,) = events(log)
    assert (line["key"], "reason" in line) == (None, False)


def test_wrong_keys_are_noted_below_public_paths_too(app: TestApp, log: Path) -> None:
    for path in ("/health/x", "/health/", "/health/live/x"):
        using(app, forged()).get(path, status=401)
    assert sum(line.get("count", 1) for line in events(log)) == 3


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def app(database_url: str, log: Path) -> TestApp:
    settings = {"sqlalchemy.url": database_url, "paymentagg.access": "keys", "paymentagg.audit_file": str(log)}
    return TestApp(main({}, **settings))
