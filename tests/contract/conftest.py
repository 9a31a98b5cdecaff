"""The stores on which every test in this folder runs."""

from collections.abc import Iterator

import pytest

from practice import Practice
from stores import MemoryStore, SqlStore


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def practice(request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice with an empty store: in memory, on SQLite and on PostgreSQL."""
    store = MemoryStore() if request.param == "memory" else SqlStore(request.getfixturevalue(f"{request.param}_url"))
    yield Practice(store)
    store.close()
