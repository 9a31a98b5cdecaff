"""Parameters of tests, made from tables of bad inputs."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def catalogued(table: Mapping[str, Iterable[tuple[Any, ...]]]) -> list[Any]:
    """Return the cases of a table as parameters; the id of each is that of its row in the catalogue, and a number."""
    return [
        pytest.param(*case, id=f"{row}-{number}")
        for row, cases in table.items()
        for number, case in enumerate(cases, start=1)
    ]
