"""Pages of many practices: a session is that of the practice of the key, and its pages show that practice alone."""

from collections.abc import Iterator

import pytest
from webtest import TestApp, TestResponse

from builders import patient, patient_row, payment
from keyring import Keyring, closed, keyrings
from paymentagg.domain.access import Role
from postgres import NORTH, SOUTH
from practice import Practice
from server import until
from visitor import Visitor, last_form, soup, text

PAGES = ("/ui", "/ui/patients", "/ui/syncs", "/ui/syncs/1", "/ui/upload")


@pytest.fixture
def keys(practices_url: str) -> Iterator[dict[str, Keyring]]:
    """Creates keys, by practice; each practice has a patient, whose last name is its own."""
    with keyrings(practices_url) as made:
        for name, keys in made.items():
            people, amount = [patient("1", last_name=f"Of-{name}")], "11.11" if name == NORTH else "22.22"
            Practice(keys.store).sync(patients=people, payments=[payment("1", "1", amount)])
        yield made


@pytest.fixture
def app(practices_url: str) -> TestApp:
    return closed(practices_url, practices="many")


def test_pages_show_the_practice_of_the_session_and_whose_they_are(app: TestApp, keys: dict[str, Keyring]) -> None:
    visitors = {name: Visitor(app) for name in (NORTH, SOUTH)}
    for name, visitor in visitors.items():
        visitor.sign_in(keys[name].key(Role.ADMIN))
    for _ in range(2):  # figures are kept after the first time
        for name, other, total in ((NORTH, SOUTH, "11.11"), (SOUTH, NORTH, "22.22")):
            for path in PAGES:
                page = visitors[name].get(path)
                assert whose(page) == name
                assert other not in text(page).lower()
            assert f"of-{name}" in text(visitors[name].get("/ui/patients")).lower()
            assert total in text(visitors[name].get("/ui"))


def test_the_cookie_of_one_practice_opens_no_other(app: TestApp, keys: dict[str, Keyring]) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys[NORTH].key(Role.ADMIN))
    cookie = visitor.app.cookies["paymentagg_session"] or ""
    practice, _, token = cookie.partition(".")
    assert practice == NORTH
    for wrong in (f"{SOUTH}.{token}", token, f"nowhere.{token}", f"public.{token}", f".{token}", f"x.{cookie}"):
        visitor.app.set_cookie("paymentagg_session", wrong)
        visitor.get("/ui/patients", status=303)  # to the sign-in
    visitor.app.set_cookie("paymentagg_session", cookie)
    visitor.get("/ui/patients", status=200)


def test_who_signs_in_with_the_key_of_another_practice_changes_to_it(app: TestApp, keys: dict[str, Keyring]) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys[NORTH].key(Role.ADMIN))
    visitor.sign_in(keys[SOUTH].key(Role.ADMIN))
    assert whose(visitor.get("/ui")) == SOUTH


def test_after_the_sign_out_the_session_is_gone(app: TestApp, keys: dict[str, Keyring]) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys[NORTH].key(Role.ADMIN))
    cookie = visitor.app.cookies["paymentagg_session"] or ""
    visitor.post("/ui/sign-out")
    visitor.app.set_cookie("paymentagg_session", cookie)
    visitor.get("/ui/patients", status=303)  # to the sign-in


def test_an_upload_is_previewed_and_applied_in_the_practice_of_the_session(
    app: TestApp, keys: dict[str, Keyring]
) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys[SOUTH].key(Role.ADMIN))
    visitor.upload(patients=[patient_row("1"), patient_row("2")])
    until(lambda: "Apply" in text(visitor.get("/ui/upload")))
    last_form(visitor.get("/ui/upload")).submit(status=303)
    until(lambda: "Done and committed" in text(visitor.get("/ui/upload")))
    assert {name: sorted(Practice(each.store).patients) for name, each in keys.items()} == {
        NORTH: ["1"],
        SOUTH: ["1", "2"],
    }


def test_what_waits_in_one_practice_isnt_found_or_applied_in_another(app: TestApp, keys: dict[str, Keyring]) -> None:
    visitor = Visitor(app)
    visitor.sign_in(keys[NORTH].key(Role.ADMIN))
    visitor.upload(patients=[patient_row("1"), patient_row("2", lastName="Of-nobody")])
    until(lambda: "Apply" in text(visitor.get("/ui/upload")))
    apply = last_form(visitor.get("/ui/upload"))
    cookie = visitor.app.cookies["paymentagg_session"] or ""
    other = Visitor(app)
    other.app.set_cookie("paymentagg_session", cookie.replace(NORTH, SOUTH))
    other.get("/ui/upload", status=303)  # to the sign-in
    visitor.sign_in(keys[SOUTH].key(Role.ADMIN))
    page = visitor.get("/ui/upload")
    assert whose(page) == SOUTH
    assert "Apply" not in text(page)
    assert "Of-nobody" not in page.text
    apply.submit(status=403)  # its token is that of the session before
    apply["token"] = visitor.token()
    apply.submit(status=404)
    for each in keys.values():
        assert sorted(Practice(each.store).patients) == ["1"]


def whose(page: TestResponse) -> str:
    """Return the practice that a page names beside the role."""
    (named,) = soup(page).select(".practice")
    return str(named.text)
