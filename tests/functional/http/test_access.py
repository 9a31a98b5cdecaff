"""Who may what: every route, method and role, against a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.types import WSGIEnvironment

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.response import Response
from sqlalchemy import Engine, event
from webtest import TestApp, TestRequest

from api import JSON, MULTIPART, checked, multipart, next_page, part, post, registry, stored
from builders import array, patient_row
from command import Command
from keyring import Keyring, closed, using
from paymentagg.adapters import audit_file
from paymentagg.adapters.sql import wiring
from paymentagg.app import main
from paymentagg.domain.access import Role
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints import settings
from paymentagg.entrypoints.http import rate_limit, routes
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from server import serving

ROLES = (None, Role.READER, Role.SYNCER, Role.ADMIN)

TABLE = {
    "/patients": {"GET": (401, 200, 403, 200), "POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/patients/{externalId:.+}": {"GET": (401, 200, 403, 200), "*": (401, 405, 405, 405)},
    "/payments": {"GET": (401, 200, 403, 200), "POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/snapshot": {"POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/syncs": {"GET": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/syncs/{id}": {"GET": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/openapi.json": {"GET": (401, 200, 200, 200), "*": (401, 405, 405, 405)},
    "/health/live": {"GET": (200, 200, 200, 200), "*": (405, 405, 405, 405)},
    "/health/ready": {"GET": (200, 200, 200, 200), "*": (405, 405, 405, 405)},
}
"""The status for each role, in the order of ROLES. A star stands for all other methods; HEAD is answered as GET is."""

EXAMPLES = {"/patients/{externalId:.+}": "/patients/5", "/syncs/{id}": "/syncs/1"}
"""Paths where it isn't the pattern itself."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

CODES = {401: "unauthorized", 403: "forbidden", 405: "method-not-allowed"}

PATIENT = array(patient_row("5"))


def test_the_table_knows_every_route_and_method(app: TestApp) -> None:
    components = registry(app)
    assert {route.pattern for route in components.getUtility(IRoutesMapper).get_routes()} == set(TABLE)
    known: dict[str, set[str]] = {path: set() for path in TABLE}
    for each in components.introspector.get_category("views"):
        view = each["introspectable"]
        if view["context"] is None:  # the others are for errors
            known[view["route_name"]].add(view["request_methods"] or "*")
    assert known == {path: set(methods) for path, methods in TABLE.items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_table_says(database_url: str, role: Role | None) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    own = using(app, keys.key(Role.SYNCER) if role is not Role.SYNCER else None)
    client = using(app, None if role is None else keys.key(role))
    post(client if role is Role.SYNCER else own, "/patients", PATIENT)
    for path, methods in TABLE.items():
        for method in METHODS:
            statuses = methods.get("GET" if method == "HEAD" else method, methods["*"])
            status = statuses[ROLES.index(role)]
            media = MULTIPART if path == "/snapshot" else JSON
            body = multipart(part("patients", PATIENT)) if path == "/snapshot" else array()
            body = PATIENT if (path, method) == ("/patients", "POST") else body
            response = client.request(
                EXAMPLES.get(path, path), method=method, body=body, content_type=media, status=status
            )
            if method == "HEAD":
                assert response.body == b""
            elif status != 200:
                checked(response, CODES[status], status)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/nothing", "/patients/", "/patients%0a", "/patients?x=1", "/%ff"])
def test_an_outsider_learns_nothing(app: TestApp, keys: Keyring, path: str, method: str) -> None:
    reader = using(app, keys.key(Role.READER))
    for client, is_known in ((using(app, None), False), (reader, True)):
        response = client.request(path, method=method, expect_errors=True)
        assert (response.status_int == 401) is not is_known


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic {key}"},
        {"Authorization": "{key}"},
        {"Authorization": "Bearer {key}, Bearer {key}"},  # what a server makes of two headers
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
        assert key[14:] not in response.text + caplog.text


def test_wrong_revoked_and_expired_keys_get_the_same_answer_for_the_same_work(
    app: TestApp, keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    right = keys.key(Role.ADMIN)
    bad = {
        "wrong": right[:14] + keys.key(Role.ADMIN)[14:],
        "unknown": "pagg_00000000" + right[13:],
        "revoked": keys.key(Role.ADMIN, revoked=True),
        "expired": keys.key(Role.ADMIN, days_ago=91),
    }
    using(app, right).get("/patients")
    answers = set()
    for key in bad.values():
        with statements() as run:
            response = using(app, key).get("/patients", status=401)
        checked(response, "unauthorized", 401)
        assert key[14:] not in response.text + caplog.text
        answers.add((response.body, tuple(sorted(response.headers.items())), tuple(run)))
    assert len(answers) == 1
    assert app.get("/patients", status=401).body == answers.pop()[0]


def test_two_headers_are_not_one(database_url: str, keys: Keyring, tmp_path: Path) -> None:
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
        assert key[14:] not in "".join(server.log)


def test_a_key_that_cannot_be_looked_up_is_neither_right_nor_wrong(sqlite_url: str) -> None:
    keys, app = Keyring(sqlite_url), closed(sqlite_url)
    reader = using(app, keys.key(Role.READER))
    with keys.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO gone")
    for _ in range(WRONG_KEYS + 1):
        checked(reader.get("/patients", status=503), "database-unavailable", 503)
    keys.store.close()


def test_a_scheme_is_written_in_any_case(app: TestApp, keys: Keyring) -> None:
    app.get("/patients", headers={"Authorization": f"bearer  {keys.key(Role.READER)}"}, status=200)


def test_a_key_that_is_revoked_is_so_at_once(app: TestApp, keys: Keyring) -> None:
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
    with statements() as run:
        admin.get(path)
    assert len(run) == 2, run
    assert "FROM api_keys" in run[0]


def test_who_may_not_is_told_who_may(app: TestApp, keys: Keyring) -> None:
    problem = post(using(app, keys.key(Role.READER)), "/patients", PATIENT, status=403).json
    assert problem["detail"] == "this takes a key of the role syncer or admin"


class Unread:
    """A body that must not be read."""

    def read(self, *_: int) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


@pytest.mark.parametrize("role", [None, Role.READER])
@pytest.mark.parametrize(("path", "media"), [("/patients", JSON), ("/snapshot", MULTIPART)])
def test_an_upload_is_refused_before_it_is_read(
    app: TestApp, keys: Keyring, path: str, media: str, role: Role | None
) -> None:
    client = using(app, None if role is None else keys.key(role))
    body: WSGIEnvironment = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000", "CONTENT_TYPE": media}
    request = TestRequest.blank(path, method="POST", environ=client.extra_environ | body)
    client.do_request(request, status=401 if role is None else 403)


@pytest.mark.parametrize("path", ["/patients", "/payments", "/snapshot"])
def test_only_an_admin_may_raise_the_limit_on_deletions(app: TestApp, keys: Keyring, path: str) -> None:
    syncer, admin = using(app, keys.key(Role.SYNCER)), using(app, keys.key(Role.ADMIN))
    body, media = (array(), JSON) if path != "/snapshot" else (multipart(part("patients", PATIENT)), MULTIPART)
    for limit in ("100%25", "20.1%25", "101"):
        response = post(syncer, f"{path}?max_delete={limit}", body, media, status=403)
        assert "max_delete" in checked(response, "forbidden", 403)["detail"]
        post(admin, f"{path}?max_delete={limit}", body, media)
    for limit in ("20%25", "5%25", "100", "0"):
        post(syncer, f"{path}?max_delete={limit}", body, media)


def test_a_syncer_sees_the_syncs_of_their_own_key_alone(app: TestApp, keys: Keyring) -> None:
    one, other, admin = (using(app, keys.key(role)) for role in (Role.SYNCER, Role.SYNCER, Role.ADMIN))
    ids = [post(client, "/patients", PATIENT).json["id"] for client in (one, other, admin, one, one)]
    assert [report["id"] for report in admin.get("/syncs").json] == ids[::-1]
    assert [report["id"] for report in one.get("/syncs").json] == [ids[4], ids[3], ids[0]]
    first = one.get("/syncs?limit=1")
    assert [report["id"] for report in one.get(next_page(first)).json] == [ids[3]]
    assert one.get(f"/syncs/{ids[0]}").json["id"] == ids[0]
    checked(one.get(f"/syncs/{ids[1]}", status=404), "not-found", 404)
    tag = {"If-None-Match": admin.get(f"/syncs/{ids[1]}").headers["ETag"]}
    one.get(f"/syncs/{ids[1]}", headers=tag, status=404)
    one.get("/syncs", headers={"If-None-Match": admin.get("/syncs").headers["ETag"]}, status=200)


def test_an_idempotency_key_is_that_of_its_api_key(app: TestApp, keys: Keyring) -> None:
    one, other = (using(app, keys.key(Role.SYNCER)) for _ in range(2))
    first = post(one, "/patients", PATIENT, Idempotency_Key="monday")
    second = post(other, "/patients", array(patient_row("5"), patient_row("6")), Idempotency_Key="monday")
    again = post(one, "/patients", PATIENT, Idempotency_Key="monday")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json == first.json
    assert "Idempotent-Replayed" not in second.headers
    mismatch = post(one, "/patients", array(), status=422, Idempotency_Key="monday")
    checked(mismatch, "idempotency-mismatch", 422)


def test_the_console_script_needs_no_key(database_url: str, app: TestApp, keys: Keyring, tmp_path: Path) -> None:
    command = Command(tmp_path, database_url)
    command.write("patients.json", PATIENT)
    assert command.run("--patients", "patients.json", PAYMENTAGG_ACCESS="keys").returncode == 0
    assert len(using(app, keys.key(Role.ADMIN)).get("/syncs").json) == 1
    assert using(app, keys.key(Role.SYNCER)).get("/syncs").json == []


def test_a_thousand_wrong_keys_from_one_address_are_refused_and_nobody_else(
    app: TestApp, keys: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW", 3600.0)  # however slow the machine is
    right, wrong = keys.key(Role.READER), keys.key(Role.READER, revoked=True)
    attacker = using(app, wrong, address="192.0.2.66")
    statuses = [attacker.get("/patients", expect_errors=True).status_int for _ in range(1000)]
    assert statuses == [401] * WRONG_KEYS + [429] * (1000 - WRONG_KEYS)
    with statements() as run:
        response = using(app, right, address="192.0.2.66").get("/patients", status=429)
    checked(response, "too-many-requests", 429)
    assert 1 <= int(response.headers["Retry-After"]) <= 3600
    assert run == []
    using(app, right, address="192.0.2.67").get("/patients", status=200)
    forged = {"X-Forwarded-For": "192.0.2.66", "Forwarded": "for=192.0.2.66"}
    using(app, right, address="192.0.2.67").get("/patients", headers=forged, status=200)


def test_right_keys_and_missing_ones_do_not_count_as_wrong(app: TestApp, keys: Keyring) -> None:
    reader = using(app, keys.key(Role.READER))
    for _ in range(WRONG_KEYS + 1):
        using(app, None).get("/patients", status=401)
        reader.get("/patients", status=200)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost", "", None])
def test_without_keys_this_machine_is_served(database_url: str, peer: str | None) -> None:
    here = TestApp(main({}, **{"sqlalchemy.url": database_url}), extra_environ=peer_environ(peer))
    post(here, "/patients?max_delete=100%25", PATIENT)
    here.get("/patients", status=200)
    here.get("/syncs", status=200)


@pytest.mark.parametrize("peer", ["192.0.2.1", "128.0.0.1", "::2", "::ffff:192.0.2.1", "fe80::1%eth0", "example.org"])
def test_without_keys_no_other_machine_is_served(database_url: str, peer: str) -> None:
    elsewhere = TestApp(main({}, **{"sqlalchemy.url": database_url}), extra_environ=peer_environ(peer))
    for path in ("/patients", "/nothing", "/syncs"):
        problem = checked(elsewhere.get(path, status=403), "forbidden", 403)
        assert "paymentagg.access = keys" in problem["detail"]
        forged = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
        elsewhere.get(path, headers=forged, status=403)


@pytest.mark.parametrize("origin", ["https://example.org", "http://localhost:81", "https://localhost", "null", ""])
def test_without_keys_a_page_of_another_site_is_not_served(database_url: str, origin: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    body = multipart(part("patients", PATIENT))
    response = post(app, "/snapshot", body, MULTIPART, status=403, Origin=origin)
    checked(response, "forbidden", 403)
    assert stored(app) == (0, 0)
    post(app, "/snapshot", body, MULTIPART, status=403, Origin="http://localhost:80")
    post(app, "/snapshot", body, MULTIPART, status=200, Origin="http://localhost")


def test_a_wrong_setting_stops_the_start(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidParameter, match=r"^paymentagg.access: must be local or keys"):
        main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "open"})
    monkeypatch.setenv("PAYMENTAGG_ACCESS", "")
    with pytest.raises(InvalidParameter, match=r"^PAYMENTAGG_ACCESS: must be local or keys"):
        main({}, **{"sqlalchemy.url": database_url})


def test_the_environment_beats_the_ini_file(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTAGG_ACCESS", "keys")
    app = TestApp(main({}, **{"sqlalchemy.url": database_url, "paymentagg.access": "local"}))
    app.get("/patients", status=401)


def test_a_view_that_names_no_permission_is_closed(database_url: str) -> None:
    def forgetful(config: Configurator) -> None:
        config.add_route("forgotten", "/forgotten")
        config.add_view(lambda _: Response("open"), route_name="forgotten")

    with Configurator(settings={"sqlalchemy.url": database_url}) as config:
        for room in (settings, audit_file, wiring, routes, forgetful):
            config.include(room)
        app = TestApp(config.make_wsgi_app())
    checked(app.get("/forgotten", status=403), "forbidden", 403)


def peer_environ(peer: str | None) -> dict[str, str]:
    return {} if peer is None else {"REMOTE_ADDR": peer}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that any engine runs, but for BEGIN."""
    run: list[str] = []

    def note(*arguments: object) -> None:
        if arguments[2] != "BEGIN":
            run.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    yield run
    event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def keys(database_url: str) -> Iterator[Keyring]:
    keyring = Keyring(database_url)
    yield keyring
    keyring.store.close()


@pytest.fixture
def app(database_url: str) -> TestApp:
    return closed(database_url)
