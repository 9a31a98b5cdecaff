"""How tables of bad inputs become parameters of tests."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest


def catalogued(table: Mapping[str, Iterable[tuple[Any, ...]]]) -> list[Any]:
    """Return the cases of a table as parameters, each with the id of its row in the catalogue and a number."""
    return [
        pytest.param(*case, id=f"{row}-{number}")
        for row, cases in table.items()
        for number, case in enumerate(cases, start=1)
    ]
