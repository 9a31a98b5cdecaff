"""Access control: every route, method and role, against a table."""

from pathlib import Path
from wsgiref.types import WSGIEnvironment

import pytest
from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.response import Response
from webtest import TestApp, TestRequest

from api import JSON, MULTIPART, checked, multipart, next_page, part, post, registry
from builders import array, patient_row, payment_row
from command import Command
from keyring import Keyring, closed, using
from paymentagg.app import build
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http import routes
from paymentagg.entrypoints.pages.browser_sessions import is_page

ROLES = (None, Role.READER, Role.SYNCER, Role.CLERK, Role.ADMIN)

TABLE = {
    "/": {"*": (401, 404, 404, 404, 404)},
    "/patients": {"GET": (401, 200, 403, 200, 200), "POST": (401, 403, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/patients/{externalId:.+}": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/payments/{externalId:.+}": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/payments": {"GET": (401, 200, 403, 200, 200), "POST": (401, 403, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/snapshot": {"POST": (401, 403, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/syncs": {"GET": (401, 200, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/syncs/{id}": {"GET": (401, 200, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/syncs/{id}/changes": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/syncs/{id}/rejections": {"GET": (401, 200, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/history": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/stats": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/stats/histogram": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/stats/syncs": {"GET": (401, 200, 403, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/openapi.json": {"GET": (401, 200, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/metrics": {"GET": (401, 200, 200, 200, 200), "*": (401, 405, 405, 405, 405)},
    "/health/live": {"GET": (200, 200, 200, 200, 200), "*": (405, 405, 405, 405, 405)},
    "/health/ready": {"GET": (200, 200, 200, 200, 200), "*": (405, 405, 405, 405, 405)},
    "/syncs/{id}/undo": {"POST": (401, 403, 403, 403, 200), "*": (401, 405, 405, 405, 405)},
}
"""The status for each role, in the order of ROLES. ``*`` means all other methods; HEAD has the status of GET."""

EXAMPLES = {
    "/patients/{externalId:.+}": "/patients/5",
    "/payments/{externalId:.+}": "/payments/501",
    "/syncs/{id}": "/syncs/1",
    "/syncs/{id}/changes": "/syncs/1/changes",
    "/syncs/{id}/rejections": "/syncs/1/rejections",
    "/syncs/{id}/undo": "/syncs/4/undo",  # the POST of no payments: the last sync that changes something
    "/history": "/history?patient=5",
}
"""Paths of the routes whose pattern isn't a path, or that need a parameter."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
CODES = {401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed"}
PATIENT = array(patient_row("5"))


def test_the_table_knows_every_route_and_method(app: TestApp) -> None:
    components = registry(app)
    patterns = {route.pattern for route in components.getUtility(IRoutesMapper).get_routes()}
    assert {pattern for pattern in patterns if not is_page(pattern)} == set(TABLE)
    known: dict[str, set[str]] = {path: set() for path in TABLE}
    for each in components.introspector.get_category("views"):
        view = each["introspectable"]
        if view["context"] is None and view["route_name"] in known:  # exclude the exception views and the pages
            known[view["route_name"]].add(view["request_methods"] or "*")
    assert known == {path: set(methods) for path, methods in TABLE.items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_table_says(database_url: str, role: Role | None) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    own = using(app, keys.key(Role.SYNCER) if role is not Role.SYNCER else None)
    client = using(app, None if role is None else keys.key(role))
    for path, body in (("/patients", PATIENT), ("/payments", array(payment_row("501", "5")))):
        post(client if role is Role.SYNCER else own, path, body)
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


def test_a_forbidden_request_names_the_roles_that_are_allowed(app: TestApp, keys: Keyring) -> None:
    problem = post(using(app, keys.key(Role.READER)), "/patients", PATIENT, status=403).json
    assert problem["detail"] == "this requires a key with the role syncer or clerk or admin"


class Unread:
    """A request body that fails the test if it is read."""

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
    syncer, clerk, admin = (using(app, keys.key(role)) for role in (Role.SYNCER, Role.CLERK, Role.ADMIN))
    body, media = (array(), JSON) if path != "/snapshot" else (multipart(part("patients", PATIENT)), MULTIPART)
    for limit in ("100%25", "20.1%25", "101"):
        for client, role in ((syncer, "syncer"), (clerk, "clerk")):
            response = post(client, f"{path}?max_delete={limit}", body, media, status=403)
            assert f"max_delete: a key with the role {role} can't" in checked(response, "forbidden", 403)["detail"]
        post(admin, f"{path}?max_delete={limit}", body, media)
    for limit in ("20%25", "5%25", "100", "0"):
        post(syncer, f"{path}?max_delete={limit}", body, media)
        post(clerk, f"{path}?max_delete={limit}", body, media)


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


def test_whoever_may_read_patients_sees_the_reports_and_the_changes_of_every_sync(app: TestApp, keys: Keyring) -> None:
    syncer, admin, reader, clerk = (
        using(app, keys.key(role)) for role in (Role.SYNCER, Role.ADMIN, Role.READER, Role.CLERK)
    )
    reports = [post(client, "/patients", PATIENT).json for client in (syncer, admin)]
    post(syncer, "/patients", array(patient_row("6")))
    for client in (reader, clerk):
        assert client.get("/syncs").json[1:] == reports[::-1]
        for report in reports:
            assert client.get(f"/syncs/{report['id']}").json == report
        assert [change["externalId"] for change in client.get("/syncs/1/changes").json] == ["5"]
        assert [change["kind"] for change in client.get("/history?patient=5").json] == ["deleted"]
    for path in ("/syncs/1/changes", "/history?patient=5", "/history?payment=1", "/payments/1"):
        checked(syncer.get(path, status=403), "forbidden", 403)


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


def test_a_view_that_names_no_permission_is_closed(database_url: str) -> None:
    def forgetful(config: Configurator) -> None:
        config.add_route("forgotten", "/forgotten")
        config.add_view(lambda _: Response("open"), route_name="forgotten")

    with Configurator(settings={}) as config:
        routes.add(config, build({"sqlalchemy.url": database_url}))
        config.include(forgetful)
        app = TestApp(config.make_wsgi_app())
    checked(app.get("/forgotten", status=403), "forbidden", 403)


@pytest.fixture
def app(database_url: str) -> TestApp:
    return closed(database_url)
