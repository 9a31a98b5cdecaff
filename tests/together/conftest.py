"""Servers and the console script, to use one database concurrently."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from command import Command
from server import Server, serving


@pytest.fixture
def servers(database_url: str, tmp_path: Path) -> Iterator[list[Server]]:
    """Two server processes on one database."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tmp_path / name, database_url)) for name in ("one", "two")]


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Command:
    """The console script, on the same database."""
    return Command(tmp_path, database_url)
