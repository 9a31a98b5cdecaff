"""What a key of one practice can learn of another: nothing that a practice which doesn't have it couldn't answer."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from webtest import TestApp, TestResponse

from api import JSON, NDJSON, checked, next_page, post
from builders import array, patient_row, payment_row
from keyring import Keyring, closed, keyrings, using
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from postgres import NORTH, SOUTH, connect

CSV = "text/csv"
PATIENTS = [patient_row(str(number)) for number in range(1, 6)]
PAYMENTS = [payment_row(str(number), str(number), f"{number}.00") for number in range(1, 6)]
SAME = (
    "/patients",
    "/patients?limit=2&count=exact",
    "/patients?sort=-paymentTotal&limit=3",
    "/patients/1",
    "/payments?external_id=1",
    "/payments/1",
    "/syncs",
    "/syncs/1",
    "/syncs/1/changes",
    "/syncs/1/rejections",
    "/history?patient=1",
    "/stats",
    "/stats/histogram",
    "/stats/syncs",
)
"""Resources whose content is the same in both practices, but for times."""
ABSENT = (
    ("GET", "/patients/{}", "only-south"),
    ("GET", "/payments/{}", "only-south"),
    ("GET", "/history?patient={}", "only-south"),
    ("GET", "/payments?external_id={}", "only-south"),
    ("GET", "/syncs/{}", "4"),
    ("GET", "/syncs/{}/changes", "4"),
    ("GET", "/syncs/{}/rejections", "4"),
    ("GET", "/patients?min_sync={}", "4"),
    ("POST", "/syncs/{}/undo", "4"),
)
"""Requests for something that only SOUTH has."""
NOWHERE = {"only-south": "only-swede", "4": "9"}
"""For each of these ids, one of the same length that no practice has."""


@pytest.fixture
def keys(practices_url: str) -> Iterator[dict[str, Keyring]]:
    """Creates keys, by practice."""
    with keyrings(practices_url) as made:
        yield made


@pytest.fixture
def app(practices_url: str) -> TestApp:
    return closed(practices_url, practices="many")


@pytest.fixture
def clients(app: TestApp, keys: dict[str, Keyring]) -> dict[str, TestApp]:
    """A client with a key for each practice. Both have the same rows with the same ids, but for the middle names."""
    made = {name: using(app, keys[name].key(Role.ADMIN)) for name in (NORTH, SOUTH)}
    for name, client in made.items():
        post(client, "/patients", array(*(row | {"middleName": name} for row in PATIENTS)))
        post(client, "/payments", array(*PAYMENTS))
    return made


def test_no_entity_tag_of_one_practice_is_that_of_another_with_the_same_content(clients: dict[str, TestApp]) -> None:
    north, south = clients[NORTH], clients[SOUTH]
    for path in SAME:
        for media in (JSON, CSV, NDJSON):
            first = north.get(path, headers={"Accept": media}, status="*")
            if first.status_int != 200:  # another media type, or a parameter that it doesn't take
                assert (first.status_int, media) in ((400, CSV), (400, NDJSON), (406, CSV), (406, NDJSON)), path
                continue
            sent = {"Accept": media, "If-None-Match": first.headers["ETag"]}
            assert north.get(path, headers=sent, status=304).body == b""
            found = south.get(path, headers=sent, status=200)
            assert found.body
            assert found.headers["ETag"] != first.headers["ETag"], (path, media)


def test_a_cursor_of_one_practice_is_a_place_among_the_rows_of_the_practice_of_the_key(
    clients: dict[str, TestApp],
) -> None:
    north, south = clients[NORTH], clients[SOUTH]
    for path in ("/patients", "/patients?sort=lastName", "/patients?sort=-paymentTotal", "/payments", "/syncs"):
        first = f"{path}{'&' if '?' in path else '?'}limit=1"
        link = next_page(north.get(first))
        assert link == next_page(south.get(first))  # it says where the page begins, and not whose it is
        found, own = south.get(link), south.get(path)
        assert found.json == own.json[1:2]
        assert NORTH not in f"{found.headers} {found.text}"


def test_what_only_another_practice_has_is_answered_as_what_none_has(clients: dict[str, TestApp]) -> None:
    post(clients[SOUTH], "/patients", array(*PATIENTS, patient_row("only-south")))
    post(clients[SOUTH], "/payments", array(*PAYMENTS, payment_row("only-south", "only-south")))
    post(clients[SOUTH], "/patients", array(*PATIENTS, patient_row("only-south", lastName="Southerner")))
    for method, path, there in ABSENT:
        if method == "GET":
            clients[SOUTH].get(path.format(there), status=200)
        nowhere = NOWHERE[there]
        found, none = (
            clients[NORTH].request(path.format(each), method=method, status="*") for each in (there, nowhere)
        )
        assert answer(found, there) == answer(none, nowhere), (method, path)


def test_an_idempotency_key_that_was_used_in_one_practice_is_unused_in_another(clients: dict[str, TestApp]) -> None:
    north, south = clients[NORTH], clients[SOUTH]
    sent: list[tuple[str, bytes]] = [("/patients", array(*PATIENTS)), ("/payments", array(*PAYMENTS[:4]))]
    post(north, *sent[0], Idempotency_Key="monday")
    post(north, *sent[1], Idempotency_Key="tuesday")
    for path, body in reversed(sent):  # each key for the other upload
        key = "monday" if path == "/payments" else "tuesday"
        done = post(south, path, body, Idempotency_Key=key)
        assert "Idempotent-Replayed" not in done.headers
        checked(post(north, path, body, Idempotency_Key=key, status=422), "idempotency-mismatch", 422)


def test_a_wrong_key_is_answered_alike_whatever_the_practice_that_it_names(
    practices_url: str, app: TestApp, keys: dict[str, Keyring]
) -> None:
    token = api_keys.parse(keys[NORTH].key(Role.ADMIN))
    assert token is not None
    answers = set()
    with connect(practices_url) as connection:
        connection.execute(sa.text("CREATE SCHEMA hollow"))
        connection.execute(sa.text(f"COMMENT ON SCHEMA {SOUTH} IS 'paymentagg practice, archived'"))
        try:
            for number, name in enumerate((NORTH, SOUTH, "hollow", "nowhere")):
                text = f"pagg_{name}.{token.key_id}_{token.secret[::-1]}"
                client = using(app, text + api_keys.checksum(text), address=f"192.0.2.{number}")
                for method, path in (("GET", "/patients"), ("POST", "/patients"), ("GET", "/syncs/1"), ("GET", "/no")):
                    answers.add(answer(client.request(path, method=method, status=401)))
        finally:
            connection.execute(sa.text("DROP SCHEMA hollow"))
            connection.execute(sa.text(f"COMMENT ON SCHEMA {SOUTH} IS 'paymentagg practice'"))
    assert len(answers) == 1


def answer(response: TestResponse, named: str = "") -> tuple[int, str, tuple[tuple[str, str], ...]]:
    """Return all that a client gets, but for what depends on the text of the request: the id in it, and the tag."""
    headers = sorted((name, value) for name, value in response.headers.items() if name not in ("ETag", "X-Request-Id"))
    body = response.text if response.body else ""
    return response.status_int, re.sub(rf"\b{named}\b", "ID", body) if named else body, tuple(headers)
