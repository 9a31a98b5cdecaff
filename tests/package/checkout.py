"""Builds the package as `make dist` does, and copies the project to a checkout elsewhere."""

import shutil
import subprocess
import sys
from pathlib import Path

from project import PROJECT

GIT = shutil.which("git") or "git"


def built(project: Path, dist: Path, umask: int = 0o022) -> Path:
    """Build the package of a checkout into a folder, and return the folder."""
    code = "import sys; from pathlib import Path; import build_dist; build_dist.build(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, dist], cwd=project / "release", check=True, umask=umask)
    return dist


def tracked(project: Path) -> list[str]:
    """Return the names of the files that git tracks and that exist."""
    listed = subprocess.run([GIT, "ls-files", "-z"], cwd=project, check=True, capture_output=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and (project / name).exists()]


def copied(folder: Path) -> Path:
    """Return a clone of the project, with what isn't committed yet, and with other times and modes."""
    clone = folder / "elsewhere"
    subprocess.run([GIT, "clone", "--quiet", PROJECT, clone], check=True, umask=0o077)
    for name in set(tracked(clone)) - set(tracked(PROJECT)):
        (clone / name).unlink()
    for name in tracked(PROJECT):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).unlink(missing_ok=True)
        shutil.copyfile(PROJECT / name, clone / name, follow_symlinks=False)
    subprocess.run([GIT, "add", "--all"], cwd=clone, check=True)
    return clone
