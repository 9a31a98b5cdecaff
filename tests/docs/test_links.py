"""Every link in README.md, in docs/ and in the other pages of the project leads to something that exists."""

import os
import re

import pytest

from docs import fences
from project import PROJECT

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
PAGES = [fences.page(file.name) for file in PROJECT.glob("*.md")]


@pytest.mark.parametrize("page", [*PAGES, *fences.pages()[1:]], ids=lambda page: page.name)
def test_each_link_leads_to_a_file_and_a_heading(page: fences.Page) -> None:
    links = LINK.findall(page.text)
    assert [link for link in links if not leads_somewhere(page.name, link)] == []


def leads_somewhere(name: str, link: str) -> bool:
    """Return whether a link in a page leads to a file in the project and, if it names one, to a heading there."""
    path, _, anchor = link.partition("#")
    target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name  # noqa: PTH118, PTH120 -- as links
    return fences.exists(target) and (not anchor or not target.endswith(".md") or anchor in anchors(target))


def anchors(name: str) -> set[str]:
    """Return the anchors of the headings of a page."""
    text = fences.page(name).text
    outside = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    titles = re.findall(r"(?m)^#+ (.*)$", outside)
    plain = [re.sub(r"[^\w\s-]", "", title.replace("`", "")).strip().lower() for title in titles]
    return {re.sub(r"\s+", "-", title) for title in plain}
