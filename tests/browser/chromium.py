"""Debian's Chromium: where it is, and how it is started, as root too."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from server import PATIENCE

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MILLISECONDS = PATIENCE * 1000
"""How long playwright waits for anything before a test fails."""


def path_of_chromium() -> str:
    """Return the path of the program: CHROMIUM from the environment, else the one on the PATH; fail without one."""
    named = os.environ.get("CHROMIUM")
    found = named if named and Path(named).is_file() else shutil.which("chromium")
    if found is None or (named and found != named):
        where = f"CHROMIUM names {named}, which is no file" if named else "no chromium is on the PATH"
        pytest.fail(f"{where}; `apt-get install chromium`, or set CHROMIUM to the path of the program", pytrace=False)
    return found


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run the browser for the block."""
    path = path_of_chromium()
    expect.set_options(timeout=MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
