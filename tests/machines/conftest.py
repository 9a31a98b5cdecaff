"""The system from which all others are made, and the wheel that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from machines.debian import bootstrap, copied_sources


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's minimum, in a folder that nothing changes."""
    return bootstrap(tmp_path_factory.mktemp("debian") / "base")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = copied_sources(folder / "sources")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(sources)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))
