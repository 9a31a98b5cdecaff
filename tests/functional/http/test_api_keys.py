"""API keys in requests: where a key must be, which keys are refused, and the limit on wrong ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from webtest import TestApp

from api import checked, headers_of, post, sent
from builders import array, patient_row
from keyring import Keyring, closed, forged, secret_of, using
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http import rate_limit
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from server import serving

PATIENT = array(patient_row("5"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"Authorization": "Bearer {key}, Bearer {key}"},  # how a server joins two headers
        {"Authorization": "Bearer {key},Bearer {key}"},
        {"Authorization": "Bearer {key} {key}"},
        {"Authorization": 'Bearer token="{key}"'},
        {"X-Api-Key": "{key}"},
        {"Cookie": "key={key}"},
    ],
)
def test_without_a_key_in_its_place_the_answer_is_401(
    app: TestApp, keys: Keyring, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    key = keys.key(Role.ADMIN)
    sent = {name: value.format(key=key) for name, value in headers.items()}
    for path in ("/patients", f"/patients?key={key}", f"/patients?access_token={key}&limit=1"):
        response = app.get(path, headers=sent, status=401)
        checked(response, "unauthorized", 401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert secret_of(key) not in response.text + caplog.text


def test_wrong_revoked_and_expired_keys_get_the_same_answer_for_the_same_work(
    app: TestApp, keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    right = keys.key(Role.ADMIN)
    bad = {
        "wrong": forged(right[5:13]),
        "unknown": forged(secret=secret_of(right)),
        "revoked": keys.key(Role.ADMIN, revoked=True),
        "expired": keys.key(Role.ADMIN, days_ago=91),
    }
    using(app, right).get("/patients")
    answers = set()
    for key in bad.values():
        with sent() as run:
            response = using(app, key).get("/patients", status=401)
        checked(response, "unauthorized", 401)
        assert secret_of(key) not in response.text + caplog.text
        answers.add((response.body, headers_of(response), tuple(run)))
    assert len(answers) == 1
    assert app.get("/patients", status=401).body == answers.pop()[0]


def test_a_key_with_a_typo_is_refused_without_a_statement_and_counts_as_wrong(
    app: TestApp, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW", 3600.0)
    right = keys.key(Role.READER)
    typos = [right[:at] + ("x" if right[at] != "x" else "y") + right[at + 1 :] for at in range(5, len(right))]
    with sent() as run:
        statuses = [using(app, typo).get("/patients", expect_errors=True).status_int for typo in typos]
    assert run == []
    assert statuses == [401] * WRONG_KEYS + [429] * (len(typos) - WRONG_KEYS)


def test_a_key_of_an_earlier_version_without_a_checksum_is_valid_until_it_expires(app: TestApp, keys: Keyring) -> None:
    using(app, keys.key(Role.READER)[:-6]).get("/patients", status=200)
    using(app, keys.key(Role.READER, days_ago=91)[:-6]).get("/patients", status=401)


def test_two_authorization_headers_are_refused(database_url: str, keys: Keyring, tmp_path: Path) -> None:
    key = keys.key(Role.READER)
    with serving(tmp_path / "server", database_url, {"paymentagg.access": "keys"}) as server:
        for headers, status in ((1, 200), (2, 401)):
            connection = server.connect()
            connection.putrequest("GET", "/patients")
            for _ in range(headers):
                connection.putheader("Authorization", f"Bearer {key}")
            connection.endheaders()
            assert connection.getresponse().status == status
            connection.close()
        assert secret_of(key) not in "".join(server.log)


def test_a_key_that_cannot_be_looked_up_is_neither_right_nor_wrong(sqlite_url: str) -> None:
    keys, app = Keyring(sqlite_url), closed(sqlite_url)
    reader = using(app, keys.key(Role.READER))
    with keys.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO gone")
    for _ in range(WRONG_KEYS + 1):
        checked(reader.get("/patients", status=503), "database-unavailable", 503)
    keys.store.close()


def test_the_authentication_scheme_is_case_insensitive(app: TestApp, keys: Keyring) -> None:
    app.get("/patients", headers={"Authorization": f"bearer  {keys.key(Role.READER)}"}, status=200)


def test_a_revoked_key_is_refused_at_once(app: TestApp, keys: Keyring) -> None:
    key = keys.key(Role.READER)
    using(app, key).get("/patients", status=200)
    with keys.store.keys() as stored:
        stored.revoke(key[5:13], datetime.now(UTC))
    using(app, key).get("/patients", status=401)


@pytest.mark.parametrize("path", ["/patients", "/patients/5", "/payments?external_id=5", "/syncs", "/syncs/1"])
def test_a_page_is_two_statements_where_keys_are_needed(app: TestApp, keys: Keyring, path: str) -> None:
    admin = using(app, keys.key(Role.ADMIN))
    post(admin, "/patients", PATIENT)
    admin.get(path)
    with sent() as run:
        admin.get(path)
    assert len(run) == 2, run
    assert "FROM api_keys" in run[0]


def test_a_thousand_wrong_keys_from_one_address_are_refused_and_no_right_one(
    app: TestApp, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW", 3600.0)  # long enough for any machine
    right, wrong = keys.key(Role.READER), keys.key(Role.READER, revoked=True)
    attacker = using(app, wrong, address="192.0.2.66")
    statuses = [attacker.get("/patients", expect_errors=True).status_int for _ in range(1000)]
    assert statuses == [401] * WRONG_KEYS + [429] * (1000 - WRONG_KEYS)
    response = attacker.get("/patients", status=429)
    checked(response, "too-many-requests", 429)
    assert 1 <= int(response.headers["Retry-After"]) <= 3600
    using(app, None, address="192.0.2.66").get("/patients", status=429)
    using(app, right, address="192.0.2.66").get("/patients", status=200)
    using(app, wrong, address="192.0.2.67").get("/patients", status=401)
    using(app, right, address="192.0.2.67").get("/patients", status=200)
    forged = {"X-Forwarded-For": "192.0.2.66", "Forwarded": "for=192.0.2.66"}
    using(app, right, address="192.0.2.67").get("/patients", headers=forged, status=200)


def test_right_keys_and_missing_ones_do_not_count_as_wrong(app: TestApp, keys: Keyring) -> None:
    reader = using(app, keys.key(Role.READER))
    for _ in range(WRONG_KEYS + 1):
        using(app, None).get("/patients", status=401)
        reader.get("/patients", status=200)


@pytest.fixture
def app(database_url: str) -> TestApp:
    return closed(database_url)
