"""The pages, with real databases and transactions."""

from collections.abc import Iterator

import pytest

from visitor import VISITORS


@pytest.fixture(autouse=True)
def _nothing_waits_afterwards() -> Iterator[None]:
    yield
    while VISITORS:
        VISITORS.pop().give_up()
