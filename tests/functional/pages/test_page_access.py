"""Access control: every page, method and role, against a table."""

import pytest
from webtest import TestApp

from api import PATIENTS, PAYMENTS, post
from builders import array
from keyring import Keyring, closed, using
from paymentagg.domain.access import Role
from paymentagg.entrypoints.pages.routes import PAGES
from visitor import Visitor, soup, text

ROLES = (None, Role.READER, Role.SYNCER, Role.CLERK, Role.ADMIN)

TABLE = {
    "/ui": {"GET": (303, 200, 403, 200, 200)},
    "/ui/patients": {"GET": (303, 200, 403, 200, 200)},
    "/ui/patients/{externalId:.+}": {"GET": (303, 200, 403, 200, 200)},
    "/ui/syncs": {"GET": (303, 200, 200, 200, 200)},
    "/ui/syncs/{id}": {"GET": (303, 200, 404, 200, 200)},
    "/ui/syncs/{id}/undo": {"GET": (303, 403, 403, 403, 303), "POST": (303, 403, 403, 403, 303)},
    "/ui/syncs/{id}/undo/apply": {"POST": (303, 403, 403, 403, 409)},
    "/ui/syncs/{id}/undo/cancel": {"POST": (303, 403, 403, 403, 303)},
    "/ui/upload": {"GET": (303, 403, 403, 200, 200), "POST": (303, 403, 403, 415, 415)},
    "/ui/upload/preview": {"POST": (303, 403, 403, 404, 404)},
    "/ui/upload/apply": {"POST": (303, 403, 403, 404, 404)},
    "/ui/upload/cancel": {"POST": (303, 403, 403, 303, 303)},
    "/ui/sign-in": {"GET": (200, 200, 200, 200, 200), "POST": (401, 401, 401, 401, 401)},
    "/ui/sign-out": {"POST": (303, 303, 303, 303, 303)},
}
"""The status for each role, in the order of ROLES; 303 of nobody leads to the sign-in. All else is 405."""

EXAMPLES = {
    "/ui/patients/{externalId:.+}": "/ui/patients/5",
    "/ui/syncs/{id}": "/ui/syncs/1",
    "/ui/syncs/{id}/undo": "/ui/syncs/2/undo",
    "/ui/syncs/{id}/undo/apply": "/ui/syncs/2/undo/apply",
    "/ui/syncs/{id}/undo/cancel": "/ui/syncs/2/undo/cancel",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def test_the_table_knows_every_page_and_method() -> None:
    assert {path: set(methods) for path, methods in PAGES.items()} == {
        path: set(methods) for path, methods in TABLE.items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_every_role_gets_what_the_table_says(database_url: str, role: Role | None) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    admin = using(app, keys.key(Role.ADMIN))
    post(admin, "/patients", array(*PATIENTS))
    post(admin, "/payments", array(*PAYMENTS))
    key = None if role is None else keys.key(role)
    visitor, token = _visitor(app, key)
    for path, methods in TABLE.items():
        for method in METHODS:
            statuses = methods.get("GET" if method == "HEAD" else method)
            status = 405 if statuses is None else statuses[ROLES.index(role)]
            if role is None and path != "/ui/sign-in":
                status = 303
            answer = visitor.app.request(
                EXAMPLES.get(path, path),
                method=method,
                body=f"token={token}&key=&preview=".encode(),
                content_type="application/x-www-form-urlencoded",
                status=status,
            )
            if role is None and status == 303:
                assert str(answer.location).startswith("http://localhost/ui/sign-in")
            elif (path, method) == ("/ui/sign-out", "POST"):
                visitor, token = _visitor(app, key)


def _visitor(app: TestApp, key: str | None) -> tuple[Visitor, str]:
    """Return a visitor who is signed in with this key, and the token of their forms."""
    visitor = Visitor(app)
    if key is not None:
        visitor.sign_in(key)
    page = visitor.get("/ui/sign-in" if key is None else "/ui/syncs")
    return visitor, str(page.forms[0]["token"].value)


def test_a_page_shows_only_what_the_role_may_open(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    post(using(app, keys.key(Role.ADMIN)), "/patients", array(*PATIENTS))
    sections = {
        Role.READER: ["Overview", "Patients", "Syncs"],
        Role.SYNCER: ["Syncs"],
        Role.CLERK: ["Overview", "Patients", "Syncs", "Upload"],
        Role.ADMIN: ["Overview", "Patients", "Syncs", "Upload"],
    }
    for role, expected in sections.items():
        visitor = Visitor(app)
        visitor.sign_in(keys.key(role))
        page = visitor.get("/ui/syncs")
        assert [link.get_text() for link in soup(page).select("nav[aria-label=Sections] a")] == expected
        if role is not Role.SYNCER:
            assert ("Undo…" in text(visitor.get("/ui/syncs/1"))) is (role is Role.ADMIN)


def test_a_syncer_is_led_to_their_syncs_and_sees_no_rows_of_others(database_url: str) -> None:
    keys, app = Keyring(database_url), closed(database_url)
    post(using(app, keys.key(Role.ADMIN)), "/patients", array(*PATIENTS))
    key = keys.key(Role.SYNCER)
    post(using(app, key), "/payments", array(*PAYMENTS, {"externalId": "9", "patientId": "5", "amount": "12,50"}))
    visitor = Visitor(app)
    assert visitor.sign_in(key).location == "http://localhost/ui/syncs"
    assert "sync 1" not in text(visitor.get("/ui/syncs"))
    own = text(visitor.get("/ui/syncs/2"))
    assert "12,50" in own
    assert "Deckard" not in own
    visitor.get("/ui/syncs/2?show=changes", 200)
    assert "Deckard" not in text(visitor.get("/ui/syncs/2?show=changes"))
