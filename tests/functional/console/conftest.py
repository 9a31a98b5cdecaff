"""paymentagg-sync for the tests of the console scripts."""

from pathlib import Path

import pytest

from command import Command


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    """paymentagg-sync with a database of each engine."""
    return Command(tmp_path, database_url)


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_url: str) -> Command:
    """paymentagg-sync with an SQLite database."""
    return Command(tmp_path, sqlite_url)
