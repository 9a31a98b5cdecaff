"""Undos: an admin takes a sync back, after a preview of what that changes; nobody else can."""

import pytest
from playwright.sync_api import expect

from browser.files import patients_of, payments_of
from browser.person import Visit
from browser.served_practice import ServedPractice
from browser.uploading import applied, done, preview, preview_day, table_of_counts, undo_button, undo_sync
from paymentagg.domain.access import Role


def test_an_admin_undoes_an_upload_after_a_preview(practice: ServedPractice, visit: Visit, scripts: bool) -> None:
    admin = visit(practice, Role.ADMIN, scripts=scripts)
    before = practice.sum
    preview_day(admin, practice.new_day())
    sync = applied(admin)
    after = practice.state
    made = table_of_counts(admin)

    undo_sync(admin, sync)
    expect(admin.heading(f"Undo of sync {sync}")).to_be_visible()
    assert practice.state == after
    created, updated, deleted = made["payments"][:3]
    assert table_of_counts(admin)["payments"][:3] == [deleted, updated, created]

    undo_button(admin, sync).click()
    undo = done(admin)
    assert practice.sum == before
    admin.follow(f"sync {undo}")
    expect(admin.heading(f"Sync {undo}, the undo of sync {sync}")).to_be_visible()
    expect(admin.button("Undo…")).to_have_count(0)  # it would do again what was wrong
    admin.go_to("Syncs")
    expect(admin.page.get_by_role("row").nth(1)).to_contain_text(f"undo of {sync}")


def test_the_file_of_an_undone_upload_is_refused(practice: ServedPractice, visit: Visit) -> None:
    admin, day = visit(practice, Role.ADMIN), practice.new_day()
    preview_day(admin, day)
    sync = applied(admin)
    undo_sync(admin, sync)
    undo_button(admin, sync).click()
    done(admin)
    admin.press("Close")
    before = practice.state
    preview(admin, patients=patients_of(day), payments=payments_of(day))
    expect(admin.page.get_by_role("alert")).to_contain_text("undone")
    assert practice.state == before


def test_an_undo_can_be_given_up(practice: ServedPractice, visit: Visit, scripts: bool) -> None:
    sync, before = practice.sync_day(practice.new_day())["id"], practice.state
    admin = visit(practice, Role.ADMIN, scripts=scripts)
    undo_sync(admin, sync)
    admin.press("Cancel")
    expect(admin.heading(f"Sync {sync}")).to_be_visible()
    assert practice.state == before


@pytest.mark.parametrize("role", [Role.READER, Role.CLERK])
def test_only_an_admin_sees_the_button_for_an_undo(sqlite_practice: ServedPractice, visit: Visit, role: Role) -> None:
    person = visit(sqlite_practice, role)
    person.open(f"/ui/syncs/{sqlite_practice.sync_day(sqlite_practice.new_day())['id']}")
    expect(person.button("Undo…")).to_have_count(0)


def test_of_an_older_sync_it_is_said_which_one_can_be_undone(sqlite_practice: ServedPractice, visit: Visit) -> None:
    latest = sqlite_practice.sync_day(sqlite_practice.new_day())["id"]
    admin = visit(sqlite_practice, Role.ADMIN)
    admin.open("/ui/syncs/3")
    admin.press("Undo…")
    alert = admin.page.get_by_role("alert")
    expect(alert).to_contain_text(f"sync {latest}")
    expect(alert).to_contain_text("Nothing was changed.")
