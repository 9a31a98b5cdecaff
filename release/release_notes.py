"""Prints the notes of a release, which are its section of CHANGELOG.md: `make release-notes`."""

import re
import sys
from configparser import ConfigParser
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def main() -> None:
    """Print the notes of the version in setup.cfg; exit with 1 if there are none."""
    settings = ConfigParser()
    settings.read(PROJECT / "setup.cfg")
    version = settings["metadata"]["version"]
    notes = sections((PROJECT / "CHANGELOG.md").read_text()).get(version)
    if notes is None:
        sys.exit(f"CHANGELOG.md has no section {version}: rename Unreleased, or set the version in setup.cfg")
    print(notes)


def sections(changelog: str) -> dict[str, str]:
    """Return the text of each section by its name, a version or Unreleased, newest first."""
    parts = re.split(r"^## \[?([^\]\s]+)\]?.*\n", changelog, flags=re.MULTILINE)[1:]
    return {name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)}


if __name__ == "__main__":
    main()
