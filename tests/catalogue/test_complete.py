"""The catalogue of bad inputs is whole: each of its rows is a case of some test."""

import re
import subprocess
import sys
from pathlib import Path

from project import PROJECT

CHAPTERS = {"T": 13, "J": 10, "R": 23, "S": 8, "Q": 10}
"""How many rows each chapter has: transport, JSON, rows, syncs, queries."""

RAW_SOCKETS = {"T04", "T05", "T06", "T11", "T12"}
"""The rows that are about the server: tests/functional speaks to it over sockets of its own."""


def test_every_row_of_the_catalogue_has_a_case() -> None:
    rows = {f"{chapter}{number:02}" for chapter, last in CHAPTERS.items() for number in range(1, last + 1)}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", Path(__file__).parent]
    collected = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"[\[-]([A-Z]\d\d)\b", collected.stdout)) == rows - RAW_SOCKETS
