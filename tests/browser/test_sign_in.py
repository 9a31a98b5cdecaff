"""The sign-in with a key, the session that it opens, and how that ends."""

import html

import pytest
from playwright.sync_api import Cookie, expect

from browser.person import Person, Visit
from browser.served_practice import ServedPractice
from browser.uploading import preview_day
from keyring import forged
from paymentagg.domain.access import Role


def test_a_wrong_key_is_refused_with_what_to_enter(practice: ServedPractice, visit: Visit, scripts: bool) -> None:
    stranger = visit(practice, None, scripts=scripts)
    stranger.open("/ui/sign-in")
    stranger.sign_in(forged())
    expect(stranger.page.get_by_role("alert")).to_contain_text("This key isn't valid")
    stranger.expect_status(401)
    expect(stranger.page.get_by_label("Your API key")).to_have_value("")
    stranger.open("/ui/patients")
    expect(stranger.heading("Sign in")).to_be_visible()


def test_the_right_key_leads_to_the_page_that_was_asked_for(
    practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    reader = visit(practice, None, scripts=scripts)
    reader.open("/ui/patients?q=m%C3%BCller&sort=-paymentTotal")
    expect(reader.heading("Sign in")).to_be_visible()
    reader.sign_in(practice.key(Role.READER))
    expect(reader.heading("Patients")).to_be_visible()
    assert reader.path == "/ui/patients?q=m%C3%BCller&sort=-paymentTotal"
    expect(reader.page.get_by_label("Search name or id")).to_have_value("müller")


@pytest.mark.parametrize("place", ["https://example.org/", "//example.org/ui", "/patients", "/ui/..//example.org"])
def test_no_link_makes_the_sign_in_lead_elsewhere(sqlite_practice: ServedPractice, visit: Visit, place: str) -> None:
    reader = visit(sqlite_practice, None)
    reader.open(f"/ui/sign-in?next={place}")
    reader.sign_in(sqlite_practice.key(Role.READER))
    expect(reader.heading("Overview")).to_be_visible()
    assert reader.path == "/ui"


def test_the_address_of_the_server_leads_a_browser_to_the_pages(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, Role.READER)
    reader.open("/")
    expect(reader.heading("Overview")).to_be_visible()


def test_signing_out_ends_the_session(practice: ServedPractice, visit: Visit, scripts: bool) -> None:
    reader = visit(practice, Role.READER, scripts=scripts)
    former = _cookie(reader)
    reader.page.get_by_text("reader", exact=True).click()
    reader.press("Sign out")
    expect(reader.heading("Sign in")).to_be_visible()
    reader.open("/ui/patients")
    expect(reader.heading("Sign in")).to_be_visible()

    reader.context.clear_cookies()
    reader.context.add_cookies(
        [{"name": former["name"], "value": former["value"], "url": f"http://{reader.address}/ui"}]
    )
    reader.open("/ui/patients")
    expect(reader.heading("Sign in")).to_be_visible()


def test_a_revoked_key_ends_its_sessions(practice: ServedPractice, visit: Visit) -> None:
    key = practice.key(Role.READER)
    reader = visit(practice, None)
    reader.open("/ui/sign-in")
    reader.sign_in(key)
    expect(reader.heading("Overview")).to_be_visible()
    practice.revoke(key)
    reader.go_to("Patients")
    expect(reader.heading("Sign in")).to_be_visible()


def test_scripts_and_other_sites_never_get_the_cookie(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, None)
    reader.open("/ui/sign-in")
    before = _cookie(reader)
    reader.sign_in(sqlite_practice.key(Role.READER))
    expect(reader.heading("Overview")).to_be_visible()
    cookie = _cookie(reader)
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/ui"
    assert not cookie["secure"]  # this server has no TLS
    assert reader.page.evaluate("document.cookie") == ""
    assert cookie["value"] != before["value"]  # whoever has planted one before the sign-in is left outside


@pytest.mark.parametrize("form", [{}, {"token": "0" * 64}], ids=["no token", "a wrong token"])
def test_a_request_without_the_token_of_the_form_changes_nothing(
    practice: ServedPractice, visit: Visit, form: dict[str, str]
) -> None:
    admin = visit(practice, Role.ADMIN)
    preview_day(admin, practice.new_day())
    waiting = admin.page.locator("input[name=preview]").input_value()
    sync, before = practice.last_sync["id"], practice.state
    paths = [f"/ui/upload/{step}" for step in ("apply", "preview", "cancel")]
    for path in (*paths, f"/ui/syncs/{sync}/undo", "/ui/sign-out"):
        answer = admin.page.request.post(path, form={"preview": waiting, **form}, max_redirects=0)
        assert answer.status == 403, path
        assert "This form is out of date" in answer.text()
    assert practice.state == before
    admin.open("/ui/upload")
    expect(admin.page.get_by_role("navigation", name="Rows of this preview")).to_be_visible()  # it wasn't given up


def test_a_clerk_cannot_raise_the_limit_by_a_request_of_their_own(practice: ServedPractice, visit: Visit) -> None:
    clerk = visit(practice, Role.CLERK)
    preview_day(clerk, practice.new_day())
    token = clerk.page.locator("input[name=token]").first.input_value()
    before = practice.state
    answer = clerk.page.request.post("/ui/upload/preview", form={"token": token, "max_delete": "100%"}, max_redirects=0)
    assert answer.status == 403
    assert "a key with the role clerk can't exceed the guard's limit" in html.unescape(answer.text())
    assert practice.state == before


def test_a_reader_is_not_offered_an_upload(sqlite_practice: ServedPractice, visit: Visit) -> None:
    reader = visit(sqlite_practice, Role.READER)
    sections = reader.page.get_by_role("navigation", name="Sections").get_by_role("link")
    assert sections.all_inner_texts() == ["Overview", "Patients", "Syncs"]
    reader.open("/ui/upload", status=403)


def _cookie(person: Person) -> Cookie:
    (cookie,) = person.context.cookies(f"http://{person.address}/ui")
    return cookie
