"""Where clients on this machine need no key (`paymentagg.access = local`), pages need no sign-in."""

from playwright.sync_api import expect

from browser import believable
from browser.inspection import Inspection
from browser.person import Visit
from browser.served_practice import Serve
from browser.uploading import applied, done, preview_day, undo_button, undo_sync


def test_pages_without_data_are_right(sqlite_url: str, serve: Serve, visit: Visit) -> None:
    someone = visit(serve(sqlite_url, access="local"), None)
    someone.open("/ui")
    inspection = Inspection(someone, "light-1440")
    for section in ("Overview", "Patients", "Syncs"):
        someone.go_to(section)
        expect(someone.heading(section)).to_be_visible()
        inspection.look(f"empty-{section.lower()}")
    assert inspection.findings == []


def test_everything_works_without_a_sign_in(sqlite_url: str, serve: Serve, visit: Visit, scripts: bool) -> None:
    practice = serve(sqlite_url, access="local")
    someone = visit(practice, None, scripts=scripts)
    someone.open("/")
    expect(someone.heading("Overview")).to_be_visible()
    expect(someone.page.get_by_text("no sync yet")).to_be_visible()
    someone.go_to("Upload")
    preview_day(someone, believable.DAYS)
    sync = applied(someone)
    expect(someone.page.get_by_text("last good sync just now")).to_be_visible()
    assert practice.last_sync["id"] == sync
    undo_sync(someone, sync)
    undo_button(someone, sync).click()
    done(someone)
    assert practice.sum == 0
    someone.open("/ui/sign-in")
    expect(someone.heading("Overview")).to_be_visible()
    expect(someone.button("Sign out")).to_have_count(0)
