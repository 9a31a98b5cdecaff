"""The stores that every suite in this folder runs over."""

from collections.abc import Iterator

import pytest

from practice import Practice
from stores import MemoryStore, SqlStore


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def practice(request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice whose store is empty, on each of the three."""
    store = MemoryStore() if request.param == "memory" else SqlStore(request.getfixturevalue(f"{request.param}_url"))
    yield Practice(store)
    store.close()
