"""What is in the sdist and the wheel."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import release_notes
from package.checkout import GIT, built, copied, tracked
from project import PROJECT

SRC = "src/"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    (file,) = dist.glob("*.whl")
    return zipfile.ZipFile(file)


@pytest.fixture(scope="module")
def sdist(dist: Path) -> set[str]:
    """The names of the files in the sdist."""
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as tar:
        return {member.name.partition("/")[2] for member in tar.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def scripts() -> list[str]:
    settings = ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    listed = settings["options.entry_points"]["console_scripts"].strip().splitlines()
    return [line.partition(" = ")[0] for line in listed]


def test_the_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    expected = {name.removeprefix(SRC) for name in tracked(PROJECT) if name.startswith(SRC)}
    assert {name for name in wheel.namelist() if name.startswith("paymentagg/")} == expected


def test_the_wheel_has_the_man_page_and_the_completions_of_every_script(wheel: zipfile.ZipFile) -> None:
    shared = {name.partition(".data/data/share/")[2] for name in wheel.namelist() if ".data/" in name}
    kinds = ("man/man1/{}.1", "bash-completion/completions/{}", "zsh/site-functions/_{}")
    assert shared == {kind.format(script) for script in scripts() for kind in kinds}


def test_the_sdist_has_what_builds_and_explains_the_wheel_but_no_data(sdist: set[str]) -> None:
    needed = {"LICENSE", "CHANGELOG.md", "README.md", "setup.cfg", "pyproject.toml", "production.ini", "docs/roles.sql"}
    assert sdist >= needed | {name for name in tracked(PROJECT) if name.startswith((SRC, "docs/"))}
    assert {name for name in sdist if name.startswith(("tests/", "samples/", "."))} == set()


def test_the_same_commit_gives_the_same_bytes_in_another_place(dist: Path, tmp_path: Path) -> None:
    clone = copied(tmp_path)
    again = built(clone, tmp_path / "dist", umask=0o077)
    assert digests(again) == digests(dist)


def test_twine_finds_nothing_to_complain_about(dist: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("twine"), "--no-color", "check", "--strict", *dist.iterdir()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_package_says_its_licence(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert metadata["License-Expression"] or metadata["License"] == "MIT"
    assert any(name.endswith("/LICENSE") for name in wheel.namelist())


def test_the_version_the_changes_and_the_tag_agree(metadata: Message) -> None:
    version = metadata["Version"]
    names = list(release_notes.sections((PROJECT / "CHANGELOG.md").read_text()))
    tags = subprocess.run(
        [GIT, "tag", "--points-at", "HEAD"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert names[0] in ("Unreleased", version)
    assert set(tags) <= {f"v{version}"}
    assert not tags or names[0] == version


def test_the_notes_of_a_release_are_its_section_of_the_changes() -> None:
    changelog = "# Changelog\n\n## Unreleased\n\n- new\n\n## [1.0.0] - 2026-01-31\n\n### Added\n\n- first\n"
    assert release_notes.sections(changelog) == {"Unreleased": "- new", "1.0.0": "### Added\n\n- first"}


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
