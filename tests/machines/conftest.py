"""The system from which all others are made."""

from pathlib import Path

import pytest

from machines.debian import bootstrap


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's minimum, in a folder that nothing changes."""
    return bootstrap(tmp_path_factory.mktemp("debian") / "base")
