"""A walk over every page: accessible by axe, no complaint of the browser, no scroll bar, no other host.

It takes the screenshots too. A person fails at its end if the console has errors or warnings, or asks another host.
"""

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from browser import believable
from browser.files import cut_off, json_file, patients_of, payments_of
from browser.inspection import Inspection
from browser.person import NARROW, WIDE, Person, Theme, Visit
from browser.served_practice import ServedPractice
from browser.uploading import applied, done, preview, preview_day, undo_button, undo_sync
from keyring import forged
from paymentagg.domain.access import Role

PLACES = {
    "overview": "/ui",
    "patients": "/ui/patients",
    "patients-found": "/ui/patients?q=m%C3%BC&payment_min=10&payment_max=2000",
    "patients-none": "/ui/patients?q=nobody",
    "patient": "/ui/patients/5",
    "patient-long-id": f"/ui/patients/{quote(believable.LONG_ID, safe='')}",
    "patient-long-name": "/ui/patients/2001",
    "patient-without-payments": "/ui/patients/2002",
    "patient-negative": "/ui/patients/2003",
    "syncs": "/ui/syncs",
    "sync": "/ui/syncs/53",
    "sync-first": "/ui/syncs/1",
    "sync-rejected": "/ui/syncs/53?show=rejected",
    "sync-deleted": "/ui/syncs/47?show=changes&kind=deleted",
    "sync-none": "/ui/syncs/47?show=changes&kind=created&model=patient",
    "upload": "/ui/upload",
}
"""The pages that an address alone leads to, by the names of their screenshots."""


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_right_on_sqlite(sqlite_practice: ServedPractice, visit: Visit, theme: Theme, width: int) -> None:
    _walk(sqlite_practice, visit, theme, width, f"{theme}-{width}")


def test_every_page_is_right_on_postgresql(practice_on_postgresql: ServedPractice, visit: Visit) -> None:
    practice_on_postgresql.sync_day(believable.DAYS)
    _walk(practice_on_postgresql, visit, "dark", NARROW, None)


def _walk(practice: ServedPractice, visit: Visit, theme: Theme, width: int, suffix: str | None) -> None:
    admin = visit(practice, Role.ADMIN, theme=theme, width=width)
    inspection = Inspection(admin, suffix)
    for name, place in PLACES.items():
        admin.open(place)
        inspection.look(name)
    _neighbours(admin, inspection)
    _opened(admin, inspection)
    _refusals(admin, inspection)
    _upload_and_undo(practice, admin, inspection)
    stranger = visit(practice, None, theme=theme, width=width)
    outside = Inspection(stranger, suffix)
    _sign_in(stranger, outside)
    assert inspection.findings + outside.findings == []


def _neighbours(admin: Person, inspection: Inspection) -> None:
    """Look at pages to which only another page leads."""
    admin.open("/ui/patients")
    admin.follow("Next ›")
    expect(admin.link("‹ Previous")).to_be_visible()
    inspection.look("patients-second")
    admin.follow("‹ Previous")
    expect(admin.link("Next ›")).to_be_visible()
    inspection.look("patients-previous")
    admin.open("/ui/patients/5")
    admin.follow("Next ›")
    expect(admin.link("« First page")).to_be_visible()
    inspection.look("patient-second")
    admin.open("/ui/syncs")
    admin.follow("Older ›")
    expect(admin.link("« Newest")).to_be_visible()
    inspection.look("syncs-older")
    admin.open("/ui/syncs/1")
    admin.follow("Next ›")
    expect(admin.link("« First page")).to_be_visible()
    inspection.look("sync-second")


def _opened(admin: Person, inspection: Inspection) -> None:
    """Look at what is folded away at first."""
    admin.open("/ui")
    for title in ("admin", "Both as a table", "The same as a table"):
        admin.page.get_by_text(title, exact=True).click()
    inspection.look("overview-opened")


def _refusals(admin: Person, inspection: Inspection) -> None:
    """Look at pages that say what is wrong."""
    for name, place, status in (
        ("patients-invalid", "/ui/patients?payment_min=ten&q=m%C3%BC", 400),
        ("error-not-found", "/ui/syncs/999999", 404),
        ("error-parameter", "/ui/syncs/1?kind=lost", 400),
    ):
        admin.open(place, status)
        inspection.look(name)
    preview(admin)
    expect(admin.page.get_by_role("alert")).to_be_visible()
    admin.expect_status(400)
    inspection.look("upload-without-files")
    preview(admin, payments=json_file("letter", [{"dear": "Sir"}]))
    expect(admin.page.get_by_role("navigation", name="Rows of this preview")).to_be_visible()
    inspection.look("upload-wrong-file")
    admin.press("Cancel")
    preview(admin, payments={"name": "letter.json", "mimeType": "application/json", "buffer": b'{"dear": "Sir"}'})
    expect(admin.page.get_by_role("alert")).to_be_visible()
    inspection.look("upload-unreadable")
    admin.press("Other files")
    preview(admin, payments=cut_off(believable.DAYS, kept=90))
    expect(admin.page.get_by_role("alert")).to_be_visible()
    inspection.look("upload-refused")
    admin.press("Other files")


def _upload_and_undo(practice: ServedPractice, admin: Person, inspection: Inspection) -> None:
    """Look at every step of an upload, and of its undo."""
    day = practice.new_day()
    preview_day(admin, day)
    inspection.look("upload-preview")
    rejected = admin.link(re.compile("^Rejected "))
    rejected.click()
    expect(rejected).to_have_attribute("aria-current", "true")
    inspection.look("upload-preview-rejected")
    sync = applied(admin)
    inspection.look("upload-done")
    admin.open(f"/ui/syncs/{sync}")
    inspection.look("sync-latest")
    undo_sync(admin, sync)
    inspection.look("undo-preview")
    undo_button(admin, sync).click()
    done(admin)
    inspection.look("undo-done")
    admin.open("/ui/syncs")
    inspection.look("syncs-with-undo")
    preview(admin, patients=patients_of(day), payments=payments_of(day))
    expect(admin.page.get_by_role("alert")).to_be_visible()
    inspection.look("upload-held")


def _sign_in(stranger: Person, inspection: Inspection) -> None:
    """Look at the sign-in."""
    stranger.open("/ui/sign-in")
    inspection.look("sign-in")
    stranger.sign_in(forged())
    expect(stranger.page.get_by_role("alert")).to_be_visible()
    stranger.expect_status(401)
    inspection.look("sign-in-refused")
