"""MkDocs calls this module when it builds the site: it fills in what is made from the code.

A comment such as ``<!-- generated: settings -->`` in a page is replaced by the text of a function in ``TEXTS``, so that
no generated file can be out of date. A link to a file outside of docs/ leads to a copy of it on the site.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import api_reference
import codes_reference
import commands_reference
import options_reference
import tables_reference

TEXTS = {
    "commands": commands_reference.text,
    "api": api_reference.text,
    "settings": options_reference.settings,
    "server settings": options_reference.server_settings,
    "row codes": codes_reference.rows,
    "problem codes": codes_reference.problems,
    "exit statuses": codes_reference.exit_statuses,
    "tables": tables_reference.text,
}
PROJECT = Path(__file__).parents[2]
PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "reporting.md"}
"""The files beside README.md that are pages of the site, and the names of these pages."""
HOME = "index.md"

_MARK = re.compile(r"<!-- generated: ([a-z ]+) -->")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the project's root, and each file that a page links to outside of docs/."""
    for name, page in PAGES.items():
        if (PROJECT / name).exists():
            text = _relinked((PROJECT / name).read_text(), Path(name), Path(page))
            files.append(File.generated(config, page, content=text))
    for target in sorted(set(_targets(files))):
        if (PROJECT / target).is_file():
            content = (PROJECT / target).read_bytes()
            files.append(File.generated(config, _copy(target), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return the text of a page with all that is generated, and with links that lead to files on the site."""
    source = Path(page.file.src_uri)
    if page.file.generated_by is None:
        markdown = _relinked(markdown, Path("docs") / source, source)
    return _MARK.sub(lambda mark: TEXTS[mark[1]](), markdown)


def _targets(files: Files) -> Iterator[str]:
    """Yield the paths in the project of the files that pages link to outside of docs/."""
    for file in files.documentation_pages():
        path = Path(PAGES_BACK.get(file.src_uri, f"docs/{file.src_uri}"))
        for match in _LINK.finditer((PROJECT / path).read_text()):
            target = os.path.normpath(path.parent / match[1])
            if not target.startswith(("docs/", "..")) and target not in PAGES and target != "README.md":
                yield target


PAGES_BACK = {page: name for name, page in PAGES.items()}


def _relinked(text: str, path: Path, page: Path) -> str:
    """Return a text whose links fit ``path`` in the project with links that fit ``page`` on the site."""

    def relinked(match: re.Match[str]) -> str:
        target = os.path.normpath(path.parent / match[1])
        if target == "README.md":
            there = HOME
        elif target in PAGES:
            there = PAGES[target]
        elif target.startswith("docs/"):
            there = target.removeprefix("docs/")
        else:
            there = _copy(target)
        return f"]({os.path.relpath(there, page.parent)}{match[2] or ''})"

    return _LINK.sub(relinked, text)


def _copy(target: str) -> str:
    """Return where the copy of a file is: as text, so that a browser shows it and the search leaves it out."""
    return f"project/{target}.txt"
