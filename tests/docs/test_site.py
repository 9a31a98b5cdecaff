"""The site of the documentation: built without a warning, complete, and without anything from other hosts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from paymentagg.domain.rejection_messages import MESSAGES
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.settings import DEFAULTS, MEANINGS
from project import PROJECT

ASSET = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//([^"'/>\s]+)""")
IMPORTED = re.compile(r"""(?:@import\s+|url\()["']?(?:https?:)?//""")


def test_nothing_is_loaded_from_other_hosts(site: Path) -> None:
    pages = {file: file.read_text() for file in site.rglob("*.html")}
    styles = [file.read_text() for file in site.rglob("*.css")]

    assert len(pages) > 30
    assert {(file.name, host) for file, text in pages.items() for host in ASSET.findall(text)} == set()
    assert [style for style in styles if IMPORTED.search(style)] == []


def test_the_reference_has_each_setting_and_each_code(site: Path) -> None:
    settings, codes = (text_of(site / f"reference/{name}.html") for name in ("settings", "codes"))

    assert [name for name in DEFAULTS if name not in settings] == []
    assert [name for name in DEFAULTS if name.replace(".", "_").upper() not in settings] == []
    assert [code for code in (*MESSAGES, *PROBLEMS) if code not in codes] == []


def test_the_reference_has_each_script_path_and_table(site: Path) -> None:
    scripts, api, tables = (text_of(site / f"reference/{name}.html") for name in ("cli", "http", "schema"))

    assert "usage: paymentagg-sync" in scripts
    assert "usage: paymentagg-keys create" in scripts
    assert "POST /syncs/{id}/undo" in api
    assert "payment_totals" in tables


def test_each_setting_and_each_exit_status_has_a_meaning() -> None:
    assert MEANINGS.keys() == DEFAULTS.keys()
    assert set(exit_codes._STATUS.values()) <= exit_codes.MEANINGS.keys()


def text_of(page: Path) -> str:
    """Return the text of a page without its markup."""
    return re.sub(r"<[^>]*>", "", page.read_text()).replace("&quot;", '"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
