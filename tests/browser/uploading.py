"""The steps of an upload and of an undo, as a person takes them."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import FilePayload, Locator, expect

from browser.files import patients_of, payments_of
from browser.person import Person

APPLY = re.compile(r"^Apply [\d\s]+ changes?$")


def preview(person: Person, *, patients: FilePayload | None = None, payments: FilePayload | Path | None = None) -> None:
    """Choose files on the page of the upload, and ask for the preview."""
    person.open("/ui/upload")
    for label, file in (("Patients", patients), ("Payments", payments)):
        if file is not None:
            person.page.get_by_label(label, exact=True).set_input_files(file)
    person.press("Preview")


def preview_day(person: Person, day: int) -> None:
    """Preview both files of a day, until what they would change is shown."""
    preview(person, patients=patients_of(day), payments=payments_of(day))
    expect(person.button(APPLY)).to_be_visible()


def applied(person: Person) -> int:
    """Apply what is previewed; return the id of the sync, to which the page leads."""
    person.press(APPLY)
    return done(person)


def undo_sync(person: Person, sync: int) -> None:
    """Ask for the preview of an undo, until it is shown."""
    person.open(f"/ui/syncs/{sync}")
    person.press("Undo…")
    expect(undo_button(person, sync)).to_be_visible()


def undo_button(person: Person, sync: int) -> Locator:
    """Return the button that undoes a sync as it was previewed."""
    return person.button(re.compile(rf"^Undo sync {sync}: [\d\s]+ changes?$"))


def done(person: Person) -> int:
    """Return the id of the sync that the page names as done, when it does."""
    status = person.page.get_by_role("status")
    expect(status).to_have_text(re.compile(r"^Done and committed as sync \d+\.$"))
    return int(re.sub(r"\D", "", status.inner_text()))


def table_of_counts(person: Person) -> dict[str, list[str]]:
    """Return the numbers of the page by model: created, updated, deleted, unchanged, rejected."""
    rows = person.page.get_by_role("table").filter(has_text="Unchanged").get_by_role("row")
    shown = [row.get_by_role("cell").all_inner_texts() for row in rows.all()[1:]]
    names = [row.get_by_role("rowheader").inner_text() for row in rows.all()[1:]]
    return dict(zip(names, shown, strict=True))


def counts_of(report: dict[str, Any]) -> dict[str, list[str]]:
    """Return the same numbers of a report of the API."""
    kinds = ("created", "updated", "deleted", "unchanged", "rejected")
    models = ("patients", "payments")
    return {model: [str(report[model][kind]) for kind in kinds] for model in models if model in report}
