"""Builds sdist and wheel, the same bytes from the same commit: `make dist`.

The tracked files are copied, with modes and times that don't depend on this checkout, and the man pages and completions
are written beside them. The wheel is built from the sdist, so the sdist has all that the wheel needs.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from configparser import ConfigParser
from pathlib import Path

import shell_files

PROJECT = Path(__file__).parents[1]


def main() -> None:
    """Replace ``dist/``."""
    dist = PROJECT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    build(dist)
    for file in sorted(dist.iterdir()):
        print(f"{file.relative_to(PROJECT)}, {file.stat().st_size:,} bytes")


def build(dist: Path) -> None:
    """Build sdist and wheel into a folder.

    Raises:
        CalledProcessError: git or the build failed.
    """
    committed = _git("log", "-1", "--format=%ct").strip()
    environment = os.environ | {"SOURCE_DATE_EPOCH": committed, "PYTHONHASHSEED": "0"}
    os.environ["SOURCE_DATE_EPOCH"] = committed  # the date of the man pages
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        _copy(source)
        settings = ConfigParser()
        settings.read(PROJECT / "setup.cfg")
        shell_files.write(source, settings["metadata"]["version"])
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source)]
        # The backend prints each file, to both outputs; a failure prints them all.
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
    for archive in dist.glob("*.tar.gz"):
        _normalize(archive, int(committed))


def _copy(target: Path) -> None:
    """Copy the tracked files as they are in the work tree; links become the files that they lead to."""
    for name in _git("ls-files", "-z").split("\0"):
        file = PROJECT / name
        if name and file.is_file():
            copied = target / name
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copied)
            copied.chmod(0o755 if os.access(file, os.X_OK) else 0o644)


def _normalize(archive: Path, at: int) -> None:
    """Rewrite a tar file in the order of its names, without users, with one time and two modes."""
    with tarfile.open(archive) as tar:
        members = sorted(tar.getmembers(), key=lambda member: member.name)
        contents = {member.name: stream.read() for member in members if (stream := tar.extractfile(member))}
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = at
            member.pax_headers = {}
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            tar.addfile(member, io.BytesIO(contents.get(member.name, b"")))
    archive.write_bytes(gzip.compress(plain.getvalue(), mtime=at))


def _git(*arguments: str) -> str:
    """Return what a command of git prints, of the files of this project."""
    return subprocess.run(["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
