"""Who may what: every route, method and role, against a table."""

from collections.abc import Iterator

import pytest
from pyramid.interfaces import IRoutesMapper
from webtest import TestApp

from api import JSON, MULTIPART, checked, multipart, part
from builders import array, patient_row
from keyring import Keyring, closed, using
from paymentagg.domain.access import Role

ROLES = (None, Role.READER, Role.SYNCER, Role.ADMIN)

TABLE = {
    "/patients": {"GET": (401, 200, 403, 200), "POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/patients/{external_id:.+}": {"GET": (401, 200, 403, 200), "*": (401, 405, 405, 405)},
    "/payments": {"GET": (401, 200, 403, 200), "POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/snapshot": {"POST": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/syncs": {"GET": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/syncs/{id}": {"GET": (401, 403, 200, 200), "*": (401, 405, 405, 405)},
    "/health/live": {"GET": (200, 200, 200, 200), "*": (405, 405, 405, 405)},
    "/health/ready": {"GET": (200, 200, 200, 200), "*": (405, 405, 405, 405)},
}
"""The status for each role, in the order of ROLES. A star stands for all other methods; HEAD is answered as GET is."""

EXAMPLES = {"/patients/{external_id:.+}": "/patients/5", "/syncs/{id}": "/syncs/1"}
"""Paths where it isn't the pattern itself."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")

CODES = {401: "unauthorized", 403: "forbidden", 405: "method-not-allowed"}

PATIENT = array(patient_row("5"))


def test_the_table_knows_every_route_and_method(app: TestApp) -> None:
    registry = app.app.registry
    assert {route.pattern for route in registry.getUtility(IRoutesMapper).get_routes()} == set(TABLE)
    known: dict[str, set[str]] = {path: set() for path in TABLE}
    for each in registry.introspector.get_category("views"):
        view = each["introspectable"]
        if view["context"] is None:  # the others are for errors
            known[view["route_name"]].add(view["request_methods"] or "*")
    assert known == {path: set(methods) for path, methods in TABLE.items()}


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_table_says(database_url: str, role: Role | None) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    own = using(app, keys.key(Role.SYNCER) if role is not Role.SYNCER else None)
    client = using(app, None if role is None else keys.key(role))
    (client if role is Role.SYNCER else own).post("/patients", PATIENT, content_type=JSON)
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


@pytest.fixture
def keys(database_url: str) -> Iterator[Keyring]:
    keyring = Keyring(database_url)
    yield keyring
    keyring.store.close()


@pytest.fixture
def app(database_url: str) -> TestApp:
    return closed(database_url)
