"""The stores on which every test in this folder runs."""

from collections.abc import Iterator

import pytest

from postgres import NORTH
from practice import Practice
from stores import MemoryStore, SqlStore


@pytest.fixture(params=["memory", "sqlite", "postgresql", "many-practices"])
def practice(request: pytest.FixtureRequest) -> Iterator[Practice]:
    """A practice with an empty store: in memory, on SQLite, on PostgreSQL and as one of many practices there."""
    store: MemoryStore | SqlStore
    match request.param:
        case "memory":
            store = MemoryStore()
        case "many-practices":
            store = SqlStore(request.getfixturevalue("practices_url"), practice=NORTH)
        case engine:
            store = SqlStore(request.getfixturevalue(f"{engine}_url"))
    yield Practice(store)
    store.close()
