"""The catalogue of bad inputs is complete: each of its entries is a case of some test."""

import re
import subprocess
import sys
from pathlib import Path

from project import PROJECT

CHAPTERS = {"T": 13, "J": 10, "R": 23, "S": 8, "Q": 10}
"""The number of entries in each chapter: transport, JSON, rows, syncs, queries."""

RAW_SOCKETS = {"T04", "T05", "T06", "T11", "T12"}
"""The entries about the server itself: tests/functional tests them over raw sockets."""


def test_every_row_of_the_catalogue_has_a_case() -> None:
    entries = {f"{chapter}{number:02}" for chapter, last in CHAPTERS.items() for number in range(1, last + 1)}
    options = ["--collect-only", "-q", "-p", "no:cacheprovider"]
    command: list[str | Path] = [sys.executable, "-m", "pytest", *options, Path(__file__).parent]
    collected = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"[\[-]([A-Z]\d\d)\b", collected.stdout)) == entries - RAW_SOCKETS
