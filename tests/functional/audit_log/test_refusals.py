"""The audit log and clients that aren't let in: whose key it was, and floods that stay small."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from webtest import TestApp

from api import registry
from auditlog import events
from keyring import Keyring, forged, using
from paymentagg.app import main
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from server import serving


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
    using(app, forged(revoked[5:13])).get("/patients", status=401)
    (line,) = events(log)
    assert (line["key"], "reason" in line) == (None, False)


def test_wrong_keys_are_noted_below_public_paths_too(app: TestApp, log: Path) -> None:
    for path in ("/health/x", "/health/", "/health/live/x"):
        using(app, forged()).get(path, status=401)
    registry(app).refusals.flush()
    assert sum(line.get("count", 1) for line in events(log)) == 3


def test_a_flood_is_a_line_at_once_and_one_with_the_count_when_the_server_stops(
    database_url: str, log: Path, tmp_path: Path
) -> None:
    settings = {"paymentagg.access": "keys", "paymentagg.audit_file": str(log)}
    with serving(tmp_path / "server", database_url, settings) as server:
        header = {"Authorization": f"Bearer {forged()}"}
        statuses = Counter(server.get(f"/patients/{number}", header).status for number in range(30))
        at_once = events(log)
    assert statuses == {401: WRONG_KEYS, 429: 30 - WRONG_KEYS}
    assert [(line["status"], line["route"], "count" in line) for line in at_once] == [
        (401, "/patients/{externalId}", False),
        (429, "/patients/{externalId}", False),
    ]
    rest = events(log)[2:]
    assert [(line["status"], line["code"], line["peer"], line["count"]) for line in rest] == [
        (401, "unauthorized", "127.0.0.1", WRONG_KEYS - 1),
        (429, "too-many-requests", "127.0.0.1", 29 - WRONG_KEYS),
    ]
    assert {(line["outcome"], line["key"], line["role"], line["route"]) for line in rest} == {
        ("refused", None, None, None)
    }


@pytest.mark.parametrize("host", ["127.0.0.1:80", "elsewhere.example"])
def test_what_is_refused_without_keys_is_counted_too(sqlite_url: str, log: Path, host: str) -> None:
    settings = {"sqlalchemy.url": sqlite_url, "paymentagg.audit_file": str(log)}
    stranger = TestApp(main({}, **settings), extra_environ={"REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": host})
    for _ in range(3):
        stranger.get("/patients", status=403)
    (line,) = events(log)
    assert (line["code"], line["role"]) == ("forbidden", None)


def test_a_refusal_of_a_valid_key_is_never_counted_with_others(app: TestApp, keys: Keyring, log: Path) -> None:
    syncer = using(app, keys.key(Role.SYNCER))
    for _ in range(3):
        syncer.get("/patients", status=403)
    assert [line["status"] for line in events(log)] == [403] * 3


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def app(database_url: str, log: Path) -> TestApp:
    settings = {"sqlalchemy.url": database_url, "paymentagg.access": "keys", "paymentagg.audit_file": str(log)}
    return TestApp(main({}, **settings))
