"""Sessions of browsers: who is let in, for how long, and what their forms must send."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import PATIENTS, sync
from keyring import Keyring, closed, forged, using
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.tables import metadata
from paymentagg.app import main
from paymentagg.domain import sessions
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from visitor import Visitor, text


@pytest.fixture
def app(database_url: str) -> TestApp:
    """An application that asks for keys."""
    return closed(database_url)


def test_a_page_leads_to_the_sign_in_and_from_there_back(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app)
    asked = visitor.get("/ui/patients?q=deck&payment_min=1", 303)
    assert asked.location == f"http://localhost/ui/sign-in?next={quote('/ui/patients?q=deck&payment_min=1', safe='')}"
    form = visitor.get(asked.location).forms[0]
    form["key"] = keys.key(Role.CLERK)
    assert form.submit(status=303).location == "http://localhost/ui/patients?q=deck&payment_min=1"
    assert "Patients" in text(visitor.get("/ui/patients"))


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org", "/ui//example.org", "/ui\\x", "/patients", "ui"]
)
def test_the_sign_in_leads_to_no_other_site(app: TestApp, keys: Keyring, elsewhere: str) -> None:
    visitor = Visitor(app)
    form = visitor.get(f"/ui/sign-in?next={quote(elsewhere, safe='')}").forms[0]
    form["key"] = keys.key(Role.ADMIN)
    assert form.submit(status=303).location == "http://localhost/ui"


def test_the_cookie_is_for_pages_of_this_site_alone_and_no_script_reads_it(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app)
    cookie = visitor.sign_in(keys.key(Role.READER)).headers["Set-Cookie"]
    assert re.fullmatch(
        r"paymentagg_session=[\w-]{43}; Max-Age=43200; Path=/ui; expires=[^;]+; HttpOnly; SameSite=Strict", cookie
    )
    secure = TestApp(app.app, extra_environ={"wsgi.url_scheme": "https", "HTTP_HOST": "localhost"})
    assert "; secure" in secure.get("/ui/sign-in").headers["Set-Cookie"].lower()


def test_a_session_begins_with_a_new_token(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app)
    visitor.get("/ui/sign-in")
    before = visitor.app.cookies["paymentagg_session"]
    visitor.sign_in(keys.key(Role.READER))
    assert visitor.app.cookies["paymentagg_session"] != before


def test_only_the_digest_of_a_token_is_stored(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys.key(Role.READER))
    token = visitor.app.cookies["paymentagg_session"]
    assert token is not None
    with keys.store.readers.connect() as connection:
        stored = [str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    assert [sessions.digest_of(token) in row for row in stored].count(True) == 1
    assert token not in "".join(stored)


def test_a_sync_on_sqlite_delays_a_sign_in_and_neither_pages_nor_a_sign_out(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    keys, app = Keyring(sqlite_url), closed(sqlite_url)
    visitor, key = Visitor(app), keys.key(Role.CLERK)
    visitor.sign_in(key)
    with keys.store.engine.connect().execution_options(writing=True) as running, running.begin():
        assert "Another sync is running" in text(Visitor(app).sign_in(key, 409))
        visitor.get("/ui")
        assert visitor.post("/ui/sign-out").location == "http://localhost/ui/sign-in"
        visitor.get("/ui", 303)
    visitor.sign_in(key)
    keys.store.close()


@pytest.mark.parametrize("wrong", ["", "pagg_", "x" * 2000, forged()], ids=["none", "short", "long", "forged"])
def test_a_wrong_key_is_refused_on_the_page(app: TestApp, wrong: str) -> None:
    visitor = Visitor(app)
    answer = visitor.sign_in(wrong, 401)
    assert "This key isn't valid" in text(answer)
    visitor.get("/ui", 303)


def test_an_address_that_tries_many_keys_is_refused_on_pages_and_in_the_api(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app, address="192.0.2.9")
    for _ in range(WRONG_KEYS):
        visitor.sign_in(forged(), 401)
    assert "Too many wrong keys" in text(visitor.sign_in(forged(), 429))
    using(app, forged(), address="192.0.2.9").get("/patients", status=429)
    visitor.sign_in(keys.key(Role.READER))  # a right key is let in nevertheless


def test_sign_out_ends_the_session(app: TestApp, keys: Keyring) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys.key(Role.CLERK))
    token = visitor.app.cookies["paymentagg_session"]
    assert visitor.post("/ui/sign-out").location == "http://localhost/ui/sign-in"
    visitor.get("/ui", 303)
    visitor.app.set_cookie("paymentagg_session", token)
    visitor.get("/ui", 303)


def test_a_session_ends_with_its_key(app: TestApp, keys: Keyring) -> None:
    visitor, key = Visitor(app), keys.key(Role.CLERK)
    visitor.sign_in(key)
    visitor.get("/ui")
    with keys.store.keys() as stored:
        stored.revoke(key.split("_")[1], datetime.now(UTC))
    visitor.get("/ui", 303)


def test_a_session_ends_after_twelve_hours(app: TestApp, keys: Keyring) -> None:
    key = keys.key(Role.CLERK)
    with keys.store.keys() as stored:
        issued = stored.get(key.split("_")[1])
    assert issued is not None
    for hours, status in ((11, 200), (13, 303)):
        token = sessions.new_token()
        with keys.store.sessions() as kept:
            kept.add(sessions.issue(issued, token, datetime.now(UTC) - timedelta(hours=hours)))
        visitor = Visitor(app)
        visitor.app.set_cookie("paymentagg_session", token)
        visitor.get("/ui", status)


def test_a_session_opens_no_api_and_a_key_no_page(app: TestApp, keys: Keyring) -> None:
    visitor, key = Visitor(app), keys.key(Role.ADMIN)
    visitor.sign_in(key)
    visitor.app.get(
        "/patients", headers={"Cookie": f"paymentagg_session={visitor.app.cookies['paymentagg_session']}"}, status=401
    )
    using(app, key).get("/ui", status=303)


@pytest.mark.parametrize("path", ["/ui/sign-out", "/ui/upload/apply", "/ui/upload/cancel", "/ui/upload/preview"])
@pytest.mark.parametrize("token", [None, "", "0" * 64])
def test_a_form_without_the_token_of_its_browser_is_refused(
    app: TestApp, keys: Keyring, path: str, token: str | None
) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys.key(Role.ADMIN))
    answer = visitor.app.post(path, {"x": "y"} if token is None else {"token": token}, status=403)
    assert "form is out of date" in text(answer)
    visitor.get("/ui")


def test_the_token_of_another_browser_is_refused(app: TestApp, keys: Keyring) -> None:
    one, other = Visitor(app), Visitor(app)
    one.sign_in(keys.key(Role.ADMIN))
    other.sign_in(keys.key(Role.ADMIN))
    one.app.post("/ui/sign-out", {"token": other.token()}, status=403)


def test_where_no_keys_are_asked_for_nobody_signs_in(database_url: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": database_url}))
    sync(app, "/patients", PATIENTS)
    visitor = Visitor(app, address="127.0.0.1")
    assert "3" in text(visitor.get("/ui"))
    assert visitor.get("/ui/sign-in", 303).location == "http://localhost/ui"
    visitor.app.post("/ui/upload/cancel", {"x": "y"}, status=403)  # its forms need their token all the same
    visitor.post("/ui/upload/cancel")
