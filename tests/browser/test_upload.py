"""Uploads: files are chosen, previewed and applied, with and without JavaScript, on both engines."""

import re

import pytest
from playwright.sync_api import expect

from browser import believable
from browser.files import cut_off, json_file, patients_of, payments_of
from browser.person import Visit
from browser.served_practice import ServedPractice
from browser.uploading import APPLY, applied, counts_of, preview, preview_day, table_of_counts
from paymentagg.domain.access import Role

DROP = """(place, text) => {
  const files = new DataTransfer();
  files.items.add(new File([text], "dropped.json", { type: "application/json" }));
  place.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def test_an_upload_changes_nothing_until_it_is_applied_and_then_exactly_what_was_shown(
    practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    day, before = practice.new_day(), practice.state
    expected = practice.sync_day(day, dry_run=True)
    clerk = visit(practice, Role.CLERK, scripts=scripts)
    clerk.go_to("Upload")
    expect(clerk.heading("Upload")).to_be_visible()
    expect(clerk.page.get_by_role("listitem").filter(has_text="Files")).to_have_attribute("aria-current", "step")
    preview_day(clerk, day)
    assert practice.state == before
    assert table_of_counts(clerk) == counts_of(expected)
    assert clerk.path == "/ui/upload"

    sync = applied(clerk)
    assert practice.last_sync["id"] == sync
    assert counts_of(practice.last_sync) == counts_of(expected) == table_of_counts(clerk)
    clerk.follow(f"sync {sync}")
    expect(clerk.heading(f"Sync {sync}")).to_be_visible()
    change = practice.read(f"/syncs/{sync}/changes?limit=1")[0]
    expect(clerk.page.get_by_role("table").last.get_by_role("row").nth(1)).to_contain_text(change["externalId"])


def test_a_preview_shows_each_kind_of_change_before_and_after(
    practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    rows = believable.unharmed(believable.DAYS)
    changed, gone = rows[0], rows[1]
    expected = [
        ("Created payments 1", ["created", "payment a-new-one", "amount 19.90"]),
        ("Updated payments 1", ["updated", f"payment {changed['externalId']}", f"{changed['amount']} → 7.25"]),
        ("Deleted payments 1", ["deleted", f"payment {gone['externalId']}", f"amount {gone['amount']}"]),
        ("Rejected 1", ["payment a-wrong-one", "12,50"]),
    ]
    sent = [
        *({**row, "amount": "7.25"} if row is changed else row for row in rows if row is not gone),
        {"externalId": "a-new-one", "patientId": "5", "amount": "19.90"},
        {"externalId": "a-wrong-one", "patientId": "5", "amount": "12,50"},
    ]
    clerk = visit(practice, Role.CLERK, scripts=scripts)
    preview(clerk, payments=json_file("payments", sent))
    expect(clerk.button("Apply 3 changes")).to_be_visible()
    for tab, texts in expected:
        clerk.follow(tab)
        row = clerk.page.get_by_role("table").last.get_by_role("row").nth(1)
        for text in texts:
            expect(row).to_contain_text(text)
    expect(clerk.page.get_by_text("Largest loss:")).to_be_visible()


def test_a_file_that_lacks_too_many_rows_is_refused_and_cannot_be_applied(
    practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    before, stored = practice.state, len(believable.unharmed(believable.DAYS))
    clerk = visit(practice, Role.CLERK, scripts=scripts)
    preview(clerk, payments=cut_off(believable.DAYS, kept=90))
    alert = clerk.page.get_by_role("alert")
    expect(alert).to_contain_text(f"{stored - 90} of {stored} payments are missing")
    expect(alert).to_contain_text("Nothing was changed.")
    expect(clerk.button(APPLY)).to_have_count(0)
    expect(clerk.page.get_by_label("Rows that may be deleted")).to_have_count(0)  # a clerk can't raise the limit
    clerk.press("Other files")
    expect(clerk.button("Preview")).to_be_visible()
    assert practice.state == before


def test_an_admin_may_raise_the_limit_of_a_refused_file(practice: ServedPractice, visit: Visit, scripts: bool) -> None:
    missing = len(believable.unharmed(believable.DAYS)) - 90
    admin = visit(practice, Role.ADMIN, scripts=scripts)
    preview(admin, payments=cut_off(believable.DAYS, kept=90))
    expect(admin.page.get_by_label("Rows that may be deleted")).to_have_value(str(missing))
    admin.press("Preview again")
    expect(admin.button(f"Apply {missing} changes")).to_be_visible()
    admin.press("Cancel")
    expect(admin.button("Preview")).to_be_visible()


def test_an_upload_is_refused_if_the_data_have_changed_since_its_preview(
    practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    meanwhile, day = practice.new_day(), practice.new_day()
    clerk = visit(practice, Role.CLERK, scripts=scripts)
    preview_day(clerk, day)
    report = practice.sync_day(meanwhile)
    clerk.press(APPLY)
    expect(clerk.page.get_by_role("alert")).to_contain_text("The data has changed since the preview")
    assert practice.last_sync["id"] == report["id"]
    clerk.press("Preview again")
    expect(clerk.button(APPLY)).to_be_visible()
    assert table_of_counts(clerk) == counts_of(practice.sync_day(day, dry_run=True))
    sync = applied(clerk)
    assert practice.last_sync["id"] == sync > report["id"]


@pytest.mark.parametrize("model", ["patients", "payments"])
def test_a_file_of_one_model_is_enough(sqlite_practice: ServedPractice, visit: Visit, model: str) -> None:
    day = sqlite_practice.new_day()
    clerk = visit(sqlite_practice, Role.CLERK)
    preview(clerk, **{model: patients_of(day) if model == "patients" else payments_of(day)})
    expect(clerk.button(APPLY)).to_be_visible()
    assert list(table_of_counts(clerk)) == [model]


def test_a_file_can_be_dropped_on_its_place(sqlite_practice: ServedPractice, visit: Visit) -> None:
    clerk = visit(sqlite_practice, Role.CLERK)
    clerk.open("/ui/upload")
    text = payments_of(sqlite_practice.new_day())["buffer"].decode()
    clerk.page.get_by_text("Payments", exact=True).last.evaluate(DROP, text)
    clerk.press("Preview")
    expect(clerk.button(APPLY)).to_be_visible()
    expect(clerk.page.get_by_text("payments: dropped.json")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_upload_without_files_or_with_one_that_cannot_be_read_says_what_is_wrong(
    sqlite_practice: ServedPractice, visit: Visit, scripts: bool
) -> None:
    clerk = visit(sqlite_practice, Role.CLERK, scripts=scripts)
    preview(clerk)
    expect(clerk.page.get_by_role("alert")).to_contain_text("choose one of patients, one of payments, or both")
    clerk.expect_status(400)
    preview(clerk, payments={"name": "letter.json", "mimeType": "application/json", "buffer": b'{"dear": "Sir"}'})
    expect(clerk.page.get_by_role("alert").filter(has_text="Nothing was changed.")).to_be_visible()
    expect(clerk.button(APPLY)).to_have_count(0)


def test_a_limit_that_is_none_is_refused_above_the_form(sqlite_practice: ServedPractice, visit: Visit) -> None:
    admin = visit(sqlite_practice, Role.ADMIN)
    admin.open("/ui/upload")
    admin.page.get_by_label(re.compile("^Rows that may be deleted")).fill("a lot")
    admin.page.get_by_label("Payments", exact=True).set_input_files(payments_of(believable.DAYS))
    admin.press("Preview")
    expect(admin.page.get_by_role("alert")).to_contain_text("must be a count such as 3000 or a percentage such as 50%")
    admin.expect_status(400)


def test_an_upload_is_seen_by_nobody_else_and_ends_with_the_session(
    sqlite_practice: ServedPractice, visit: Visit
) -> None:
    clerk, other = visit(sqlite_practice, Role.CLERK), visit(sqlite_practice, Role.CLERK)
    preview_day(clerk, sqlite_practice.new_day())
    other.open("/ui/upload")
    expect(other.button("Preview")).to_be_visible()
    clerk.page.get_by_text("clerk", exact=True).click()
    clerk.press("Sign out")
    clerk.sign_in(sqlite_practice.key(Role.CLERK))
    clerk.open("/ui/upload")
    expect(clerk.button("Preview")).to_be_visible()
