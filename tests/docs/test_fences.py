"""Every block of commands in README.md and docs/ is run, or says by what, or why not."""

import re

import pytest

from docs import fences
from docs.workshop import WORDS

ELSEWHERE = re.compile(r"needs [^:]+: (?:run by (?P<path>\S+)|not run)")


@pytest.mark.parametrize("page", fences.pages(), ids=lambda page: page.name)
def test_each_block_is_run_or_says_where(page: fences.Page) -> None:
    assert page.presupposed <= WORDS
    assert [path for path in page.run_by if not fences.exists(path)] == []
    for fence in page.fences:
        where = f"{page.name}:{fence.line}"
        if fence.language in fences.COMMANDS and fence.title:
            said = ELSEWHERE.fullmatch(fence.title)
            assert said, f'{where}: its title must be "needs …: run by PATH" or "needs …: not run"'
            assert said["path"] is None or fences.exists(said["path"]), f"{where}: {said['path']} doesn't exist"
        elif fence.language == "console":
            assert fence.commands, where
        elif fence.language in fences.COMMANDS:
            assert page.run_by, f"{where}: nothing runs it; add <!-- run by: tests/… --> to the page"
        else:
            assert not re.search(r"(?m)^[$#] [a-z]", fence.text), f"{where}: commands need the language console"


def test_a_command_has_its_lines_and_its_output() -> None:
    fence = fences.Fence(
        5, "console", "", "$ curl -s \\\n    here    # exit status 22\nno\n$ cat <<E\n$ one\nE\n$ true\n"
    )

    found = [(command.line, command.text, command.shown, command.status) for command in fence.commands]

    assert found == [
        (5, "curl -s \\\n    here    # exit status 22", "no", 22),
        (8, "cat <<E\n$ one\nE", "", 0),
        (11, "true", "", 0),
    ]
