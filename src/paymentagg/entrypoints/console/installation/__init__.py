"""The files that paymentagg-init writes.

Those in this folder are templates for every installation, with ``${folder}``, ``${bin}`` and ``${user}``. Those in
``sqlite/`` and ``postgresql/`` are for one of that database, and are written as they are.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template


def files(database: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the content of each file for a database.

    Args:
        values: ``folder`` of the installation, ``bin`` with the scripts, and ``user`` of the services.
    """
    here = Path(__file__).parent
    for file in sorted(here.iterdir()):
        if file.is_file() and file.suffix != ".py":
            yield file.name, Template(file.read_text(encoding="utf-8")).substitute(values)
    for file in sorted((here / database).iterdir()):
        yield file.name, file.read_text(encoding="utf-8")


def is_secret(name: str) -> bool:
    """Return whether a file holds a password."""
    return name.endswith(".env")
