"""The installation on each engine."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from deployment.installation import Installation, installation
from stores import SqlStore


@pytest.fixture(scope="module")
def installed(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Four processes behind nginx on each engine, on an empty database, shared by the tests of a module."""
    with closing(SqlStore(shared_database_url)) as store:
        store.empty()
    with installation(tmp_path_factory.mktemp("installation"), shared_database_url) as installed:
        yield installed
