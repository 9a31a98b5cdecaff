"""The keyboard alone: what it reaches first, that one sees where it is, and that it does everything."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from browser.files import payments_of
from browser.person import Person, Visit
from browser.served_practice import ServedPractice
from paymentagg.domain.access import Role

FOCUSED = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  const style = getComputedStyle(element), bar = element.querySelector?.(":scope > rect:last-of-type");
  const box = element.getBoundingClientRect();
  return {
    name: (element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.textContent).trim(),
    marked: (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)
      || (bar !== null && getComputedStyle(bar).stroke !== "none"),
    seen: box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight,
  };
}"""
MOST_STOPS = 400
PAGES = (
    "/ui",
    "/ui/patients?q=m%C3%BC",
    "/ui/patients/5",
    "/ui/syncs",
    "/ui/syncs/53",
    "/ui/syncs/53?show=rejected",
    "/ui/upload",
)


def test_the_keyboard_reaches_the_way_past_the_sections_first_then_the_sections(
    sqlite_practice: ServedPractice, visit: Visit
) -> None:
    clerk = visit(sqlite_practice, Role.CLERK)
    clerk.open("/ui/patients")
    names = [stop["name"] for stop, _ in zip(_stops(clerk), range(6), strict=False)]
    assert names == ["Skip to the content", "paymentagg", "Overview", "Patients", "Syncs", "Upload"]

    clerk.open("/ui/patients")
    clerk.page.keyboard.press("Tab")
    expect(clerk.link("Skip to the content")).to_be_in_viewport()
    clerk.page.keyboard.press("Enter")
    expect(clerk.page.get_by_role("main")).to_be_focused()
    assert next(_stops(clerk))["name"].startswith("Search name or id")


def test_enter_follows_a_section(sqlite_practice: ServedPractice, visit: Visit) -> None:
    clerk = visit(sqlite_practice, Role.CLERK)
    _go_to(clerk, "Syncs")
    clerk.page.keyboard.press("Enter")
    expect(clerk.heading("Syncs")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_every_page_one_sees_what_has_the_focus(sqlite_practice: ServedPractice, visit: Visit, theme: str) -> None:
    admin = visit(sqlite_practice, Role.ADMIN, theme=theme)
    for path in PAGES:
        admin.open(path)
        stops = list(_stops(admin))
        assert len(stops) > 6
        assert [(path, stop) for stop in stops if not stop["marked"] or not stop["seen"]] == []


def test_sign_in_upload_undo_and_sign_out_need_no_mouse(sqlite_practice: ServedPractice, visit: Visit) -> None:
    admin, day, before = visit(sqlite_practice, None), sqlite_practice.new_day(), sqlite_practice.sum
    admin.open("/ui/sign-in")
    expect(admin.page.get_by_label("Your API key")).to_be_focused()
    admin.page.keyboard.type(sqlite_practice.key(Role.ADMIN))
    admin.page.keyboard.press("Enter")
    expect(admin.heading("Overview")).to_be_visible()

    _enter(admin, "Upload")
    expect(admin.heading("Upload")).to_be_visible()
    _go_to(admin, "Payments")
    admin.page.locator(":focus").set_input_files(payments_of(day))
    _enter(admin, "Preview")
    _enter(admin, "Apply ")
    expect(admin.page.get_by_role("status")).to_contain_text("Done and committed")
    sync = sqlite_practice.last_sync["id"]
    _enter(admin, f"sync {sync}")
    expect(admin.heading(f"Sync {sync}")).to_be_visible()
    _enter(admin, "Undo…")
    _enter(admin, f"Undo sync {sync}")
    expect(admin.page.get_by_role("status")).to_contain_text("Done and committed")
    assert sqlite_practice.sum == before

    _enter(admin, "admin")
    _enter(admin, "Sign out")
    expect(admin.heading("Sign in")).to_be_visible()


def _stops(person: Person) -> Iterator[dict[str, Any]]:
    """Press Tab until the focus leaves the page; yield each element that has it."""
    for _ in range(MOST_STOPS):
        person.page.keyboard.press("Tab")
        stop = person.page.evaluate(FOCUSED)
        if stop is None:
            return
        yield stop
    raise AssertionError(f"more than {MOST_STOPS} elements have the focus")


def _go_to(person: Person, name: str) -> None:
    """Press Tab until an element has the focus whose name begins like this."""
    assert any(stop["name"].startswith(name) for stop in _stops(person)), name


def _enter(person: Person, name: str) -> None:
    """Go to an element that may still have to appear, and press Enter."""
    expect(person.page.get_by_text(name).first).to_be_visible()
    _go_to(person, name)
    person.page.keyboard.press("Enter")
