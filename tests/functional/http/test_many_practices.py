"""Many practices behind one server: a key opens its own practice, and shows nothing of any other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from webtest import TestApp, TestResponse

from api import JSON, MULTIPART, checked, headers_of, multipart, part, post
from builders import array, patient_row, payment_row
from functional.http.test_access import EXAMPLES, METHODS, ROLES, TABLE
from keyring import Keyring, closed, forged, keyrings, using
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from postgres import NORTH, SOUTH, connect
from scraped import Scraped

OWN = (patient_row("5"), payment_row("501", "5"))
OTHER = (
    patient_row("south-5", firstName="Southerner", lastName="Canary"),
    payment_row("south-501", "south-5", "81.93"),
)
SIGNS = ("south", "canary", "81.93", "8193")
"""What only the other practice's data has, in lower case."""


def test_every_route_shows_and_changes_the_practice_of_the_key_alone(
    url: str, app: TestApp, keys: dict[str, Keyring]
) -> None:
    fill(app, keys)
    before = rows(url, SOUTH)
    south_tags = {
        path: using(app, keys[SOUTH].key(Role.ADMIN)).get(path).headers["ETag"] for path in ("/patients", "/syncs")
    }
    known = rows(url, SOUTH)
    for role in ROLES[1:]:
        assert role is not None
        client = using(app, keys[NORTH].key(role))
        for path, methods in TABLE.items():
            for method in METHODS:
                response = ask(client, path, method)
                assert not shown(response), (path, method)
                statuses = methods.get("GET" if method == "HEAD" else method, methods["*"])
                assert response.status_int in (statuses[ROLES.index(role)], 404, 409), (path, method)
    client = using(app, keys[NORTH].key(Role.ADMIN))
    for path in (
        "/patients/south-5",
        "/payments/south-501",
        "/history?patient=south-5",
        "/syncs/99",
        "/syncs/2/changes",
    ):
        assert not any(sign in response_text(client, path) for sign in ("canary", "81.93"))
    for path, tag in south_tags.items():
        client.get(path, headers={"If-None-Match": tag}, status=200)
    assert rows(url, SOUTH) == known
    assert {name: rows for name, rows in known.items() if name != "api_keys"} == {
        name: rows for name, rows in before.items() if name != "api_keys"
    }


def test_a_wrong_practice_a_wrong_key_and_an_unknown_practice_are_answered_alike(
    app: TestApp, keys: dict[str, Keyring]
) -> None:
    north = keys[NORTH].key(Role.ADMIN)
    token = api_keys.parse(north)
    assert token is not None
    wrong = [
        signed(f"pagg_{SOUTH}.{token.key_id}_{token.secret}"),
        signed(f"pagg_nowhere.{token.key_id}_{token.secret}"),
        signed(f"pagg_public.{token.key_id}_{token.secret}"),
        signed(f"pagg_{token.key_id}_{token.secret}"),
        signed(f"pagg_{NORTH}.00000000_{token.secret}"),
        signed(f"pagg_{NORTH}.{token.key_id}_{token.secret.swapcase()}"),
        forged(),
    ]
    answers = set()
    for path in ("/patients", "/syncs/1", "/nothing"):
        for number, key in enumerate(wrong):
            response = using(app, key, address=f"192.0.2.{number}").get(path, status=401)
            checked(response, "unauthorized", 401)
            answers.add((response.body, headers_of(response)))
    assert len(answers) == 1
    assert using(app, north).get("/patients", status=200).json == []


def test_a_key_that_names_a_practice_is_none_where_there_is_one(postgresql_url: str, keys: dict[str, Keyring]) -> None:
    checked(
        using(closed(postgresql_url), keys[NORTH].key(Role.ADMIN)).get("/patients", status=401), "unauthorized", 401
    )


def test_idempotency_keys_are_those_of_a_practice(app: TestApp, keys: dict[str, Keyring]) -> None:
    reports = []
    for name in (NORTH, SOUTH):
        client = using(app, keys[name].key(Role.ADMIN))
        first = post(client, "/patients", array(OWN[0]), Idempotency_Key="monday")
        again = post(client, "/patients", array(OWN[0]), Idempotency_Key="monday")
        assert ("Idempotent-Replayed" in first.headers, "Idempotent-Replayed" in again.headers) == (False, True)
        reports.append(first.json)
    assert [report["patients"]["created"] for report in reports] == [1, 1]


def test_the_same_request_has_another_entity_tag_in_another_practice(app: TestApp, keys: dict[str, Keyring]) -> None:
    north, south = (using(app, keys[name].key(Role.READER)) for name in (NORTH, SOUTH))
    tag = north.get("/patients").headers["ETag"]  # both are empty
    north.get("/patients", headers={"If-None-Match": tag}, status=304)
    south.get("/patients", headers={"If-None-Match": tag}, status=200)


def test_the_use_of_a_key_is_noted_in_its_practice(app: TestApp, keys: dict[str, Keyring]) -> None:
    using(app, keys[SOUTH].key(Role.READER)).get("/patients")
    with keys[SOUTH].store.keys() as stored:
        assert [key.last_used is not None for key in stored.all()] == [True]


def test_exports_are_those_of_the_practice(app: TestApp, keys: dict[str, Keyring]) -> None:
    fill(app, keys)
    client = using(app, keys[NORTH].key(Role.READER))
    for path in ("/patients", "/payments"):
        for media in ("text/csv", "application/x-ndjson"):
            response = client.get(path, headers={"Accept": media})
            assert (shown(response), "5" in response.text) == (False, True)


def test_metrics_are_over_all_practices(url: str, app: TestApp, keys: dict[str, Keyring]) -> None:
    client = using(app, keys[NORTH].key(Role.SYNCER))
    before = Scraped(client.get("/metrics").text)
    fill(app, keys)
    two = Scraped(client.get("/metrics").text)
    assert (before.value("practices"), before.value("stale_practices")) == (2, 2)
    assert (two.value("practices"), two.value("stale_practices")) == (2, 0)
    assert two.value("stored_rows", model="payments") == 2
    with connect(url) as connection:
        connection.execute(sa.text(f"UPDATE {SOUTH}.syncs SET finished_at = finished_at - interval '2 days'"))
    old = Scraped(client.get("/metrics").text)
    age = old.value("last_good_sync_age_seconds", model="patients")
    assert age is not None
    assert age > 2 * 86_400 - 3600
    assert old.value("stale_practices") == 1


def test_whether_the_server_is_ready_needs_no_practice(app: TestApp) -> None:
    assert using(app, None).get("/health/ready").json == {"status": "ok"}


def test_an_archived_practice_is_read_and_refuses_syncs(url: str, app: TestApp, keys: dict[str, Keyring]) -> None:
    fill(app, keys)
    client = using(app, keys[NORTH].key(Role.ADMIN))
    with connect(url) as connection:
        connection.execute(sa.text(f"COMMENT ON SCHEMA {NORTH} IS 'paymentagg practice, archived'"))
        try:
            for path in ("/patients", "/syncs/2/undo"):
                checked(
                    post(client, path, array(OWN[0]) if path == "/patients" else b"", status=409),
                    "practice-archived",
                    409,
                )
            assert len(client.get("/patients").json) == 1
        finally:
            connection.execute(sa.text(f"COMMENT ON SCHEMA {NORTH} IS 'paymentagg practice'"))


def test_the_audit_log_names_the_practice_of_who_was_let_in(url: str, keys: dict[str, Keyring], tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    app = closed(url, practices="many", audit_file=str(log))
    north, revoked = keys[NORTH].key(Role.READER), keys[SOUTH].key(Role.READER, revoked=True)
    using(app, north).get("/patients")
    using(app, revoked).get("/patients", status=401)
    using(app, north.replace(NORTH, SOUTH), address="192.0.2.2").get("/patients", status=401)
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line.get("practice"), line.get("reason"), line["outcome"]) for line in lines] == [
        (NORTH, None, "ok"),
        (SOUTH, "revoked", "refused"),
        (None, None, "refused"),
    ]


def fill(app: TestApp, keys: dict[str, Keyring]) -> None:
    """Store one patient and one payment in each practice."""
    for name, (patient, payment) in ((NORTH, OWN), (SOUTH, OTHER)):
        client = using(app, keys[name].key(Role.ADMIN))
        post(client, "/patients", array(patient))
        post(client, "/payments", array(payment))


def ask(client: TestApp, path: str, method: str) -> TestResponse:
    """Send a request that the table has, with a body that changes something where it is taken."""
    media = MULTIPART if path == "/snapshot" else JSON
    body = multipart(part("patients", array(OWN[0]))) if path == "/snapshot" else array(*OWN[:1])
    body = array(OWN[1]) if path == "/payments" else b"" if path.endswith("/undo") else body
    return client.request(EXAMPLES.get(path, path), method=method, body=body, content_type=media, status="*")


def shown(response: TestResponse) -> bool:
    """Return whether a response has anything of the other practice's."""
    headers = [value for name, value in response.headers.items() if name != "X-Request-Id"]  # any digits may be in it
    text = f"{headers} {response.text if response.body else ''}".lower()
    signs = [sign for sign in SIGNS if sign.isalpha()] if "process_cpu_seconds" in text else SIGNS  # as in metrics
    return any(sign in text for sign in signs)


def response_text(client: TestApp, path: str) -> str:
    return str(client.get(path, status="*").text).lower()


def signed(text: str) -> str:
    """Return a key with its checksum."""
    return text + api_keys.checksum(text)


def rows(url: str, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of all tables of a practice."""
    with connect(url) as connection:
        names = sa.inspect(connection).get_table_names(schema)
        return {
            name: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {schema}.{name} ORDER BY 1")]
            for name in names
        }


@pytest.fixture
def url(practices_url: str) -> str:
    return practices_url


@pytest.fixture
def keys(url: str) -> Iterator[dict[str, Keyring]]:
    """Creates keys, by practice."""
    with keyrings(url) as made:
        yield made


@pytest.fixture
def app(url: str) -> TestApp:
    return closed(url, practices="many")
