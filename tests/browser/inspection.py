"""What is checked of every page: accessibility by axe, no horizontal scroll bar, a screenshot."""

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe

from browser.person import Person
from project import PROJECT

FOLDER = Path(os.environ.get("SCREENSHOTS") or PROJECT / "screenshots")

_AXE = Axe()  # its script is evaluated by the debugger, which the content security policy of pages doesn't concern
_SIZES = "[document.documentElement.scrollWidth, window.innerWidth]"


class Inspection:
    """Looks at the pages that a person has open; ``findings`` has all that is wrong, a line each.

    axe is a script, so the person's browser must run scripts.

    Args:
        suffix: ends the names of screenshots; without one, none are taken.
    """

    def __init__(self, person: Person, suffix: str | None = None) -> None:
        assert person.scripts
        self._person = person
        self._suffix = suffix
        self.findings: list[str] = []

    def look(self, name: str) -> None:
        """Check the page that is open."""
        page = self._person.page
        for violation in _AXE.run(page).response["violations"]:
            self.findings += [f"{name}: {_line(violation, node)}" for node in violation["nodes"]]
        width, room = page.evaluate(_SIZES)
        if width > room:
            self.findings.append(f"{name}: {width} pixels wide, {width - room} more than the window")
        if self._suffix:
            FOLDER.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=FOLDER / f"{name}-{self._suffix}.png", full_page=True)


def _line(violation: dict[str, Any], node: dict[str, Any]) -> str:
    checks = [check["message"] for kind in ("any", "all", "none") for check in node[kind]]
    return f"{violation['id']} at {' '.join(map(str, node['target']))}: {'; '.join(checks)}"
