"""A preview and a sync of a large file: they run beside the request, show progress, and survive a closed page."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser import believable
from browser.files import large
from browser.inspection import Inspection
from browser.person import Visit
from browser.served_practice import Serve
from browser.uploading import APPLY, done, preview
from paymentagg.domain.access import Role

NUMBER = 300_000
"""Payments: reading and comparing them takes several times as long as a request waits."""


@pytest.mark.parametrize(("engine", "scripts"), [("sqlite", True), ("postgresql", False)])
def test_a_large_file_shows_phase_and_progress_and_goes_on_when_its_page_is_closed(
    request: pytest.FixtureRequest, serve: Serve, tmp_path: Path, visit: Visit, engine: str, scripts: bool
) -> None:
    practice = serve(request.getfixturevalue(f"{engine}_url"))
    practice.sync_day(believable.DAYS)
    rows = believable.unharmed(believable.DAYS)
    file = large(tmp_path, (*rows, *believable.many_payments(NUMBER)))
    clerk = visit(practice, Role.CLERK, scripts=scripts)
    preview(clerk, payments=file)
    status = clerk.page.get_by_role("status")
    expect(status).to_have_text(re.compile(r"^Previewing: [a-z ]+, \d+ s$"))
    expect(clerk.page.get_by_role("progressbar")).to_be_visible()
    if scripts:  # axe needs them too
        inspection = Inspection(clerk, "light-1440")
        inspection.look("upload-running")
        assert inspection.findings == []
    clerk.reopen("/ui/upload")
    expect(clerk.page.get_by_text("payments: payments.ndjson")).to_be_visible()
    expect(clerk.button(f"Apply {NUMBER:,} changes".replace(",", " "))).to_be_visible()
    assert practice.last_sync["payments"]["rows"] == len(rows)

    clerk.press(APPLY)
    expect(clerk.page.get_by_role("status")).to_have_text(re.compile(r"^Applying: [a-z ]+, \d+ s$"))
    clerk.reopen("/ui/upload")
    sync = done(clerk)
    assert practice.last_sync["id"] == sync
    assert practice.last_sync["payments"]["created"] == NUMBER
