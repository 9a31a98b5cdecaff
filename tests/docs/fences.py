"""The fenced blocks of README.md and of the pages in docs/, and the commands in them.

A block of the language ``console`` has commands, each after ``$ ``, and below a command what it prints, if that is
shown. A block that isn't run by ``test_commands.py`` says in its title what it needs and what runs it, which readers
see too: ``title="needs nginx: run by tests/deployment"``, or at last ``title="needs an empty disk: not run"``.

What the commands of a page presuppose is in a comment of the page, such as ``<!-- run with: sample, server -->``; the
words are those of ``workshop.py``. Blocks in other languages than ``console`` can be run by a test of their own:
``<!-- run by: tests/docs/test_analysts.py -->``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from project import PROJECT

COMMANDS = ("console", "sh", "bash", "shell", "python", "sql", "javascript", "java", "csharp")
"""The languages of blocks that a reader runs; blocks in other languages are files and output."""

_BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$", re.M | re.S
)
_COMMENT = re.compile(r"<!-- *(run with|run by): *(.*?) *-->")
_TITLE = re.compile(r'title="([^"]*)"')
_STATUS = re.compile(r"#.*\bexit status (\d+)")


@dataclass(frozen=True)
class Command:
    """A command as it is typed, the output that is shown below it (empty if none is), and its exit status."""

    line: int
    text: str
    shown: str

    @property
    def status(self) -> int:
        """The exit status that the command's comment names, else 0."""
        named = _STATUS.search(self.text)
        return int(named[1]) if named else 0


@dataclass(frozen=True)
class Fence:
    """A fenced block; ``line`` is where its text begins."""

    line: int
    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[Command]:
        """The commands of a block in the language ``console``."""
        found: list[Command] = []
        lines = self.text.splitlines()
        while lines:
            number = self.line + len(self.text.splitlines()) - len(lines)
            first = lines.pop(0)
            assert first.startswith("$ "), f"line {number}: a block with commands begins with one: {first}"
            text = first.removeprefix("$ ")
            while lines and (text.endswith("\\") or _is_open(text)):
                text += "\n" + lines.pop(0)
            shown = []
            while lines and not lines[0].startswith("$ "):
                shown.append(lines.pop(0))
            found.append(Command(number, text, "\n".join(shown).strip()))
        return found


@dataclass(frozen=True)
class Page:
    """A page of the documentation; ``name`` is its path in the project."""

    name: str
    text: str

    @property
    def fences(self) -> list[Fence]:
        """All fenced blocks, in order."""
        found = []
        for match in _BLOCK.finditer(self.text):
            language, _, rest = match["info"].strip().partition(" ")
            title = _TITLE.search(rest)
            text = re.sub(rf"(?m)^{match['indent']}", "", match["text"])
            line = self.text.count("\n", 0, match.start("text")) + 1
            found.append(Fence(line, language, title[1] if title else "", text))
        return found

    @property
    def run_here(self) -> list[Fence]:
        """The blocks of the language ``console`` that no other test runs."""
        return [fence for fence in self.fences if fence.language == "console" and not fence.title]

    @property
    def presupposed(self) -> frozenset[str]:
        """The words of ``run with``."""
        return frozenset(word for text in self._comments("run with") for word in re.split(r", *", text))

    @property
    def run_by(self) -> list[str]:
        """The tests of ``run by``, which run all blocks that aren't of the language ``console``."""
        return self._comments("run by")

    def _comments(self, name: str) -> list[str]:
        return [text for found, text in _COMMENT.findall(self.text) if found == name]


def page(name: str) -> Page:
    """Return a page by its path in the project."""
    return Page(name, (PROJECT / name).read_text())


def pages() -> list[Page]:
    """Return README.md and all pages in docs/."""
    files = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    return [page(str(file.relative_to(PROJECT))) for file in files]


def exists(path: str) -> bool:
    """Return whether a path in the project exists."""
    return Path(PROJECT / path).exists()


def _is_open(text: str) -> bool:
    """Return whether a command goes on in the next line because a here-document isn't complete."""
    begun = re.search(r"<<-?'?(\w+)'?", text)
    return begun is not None and not re.search(rf"(?m)^{begun[1]}$", text)
