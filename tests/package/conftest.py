"""One sdist and one wheel for all tests, and one virtual environment that the wheel is installed into."""

import subprocess
import sys
from pathlib import Path

import pytest

from package.checkout import built
from project import PROJECT


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel of this checkout."""
    return built(PROJECT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def scripts(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands in a new virtual environment, which has the locked dependencies and the wheel alone."""
    environment = tmp_path_factory.mktemp("installed") / "paymentagg"
    python = environment / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    # pip of the development environment installs into the new one, which spares it a pip of its own.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "--quiet"]
    locked = ["--require-hashes", "-r", str(PROJECT / "requirements.lock")]
    subprocess.run([*pip, "--no-deps", *locked], check=True)
    subprocess.run([*pip, "--no-deps", *map(str, dist.glob("*.whl"))], check=True)
    return environment / "bin"
