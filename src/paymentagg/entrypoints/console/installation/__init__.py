"""The files that paymentagg-init writes.

Each is valid as it stands here, for an installation in /etc/paymentagg with the scripts in /opt/paymentagg/bin, whose
services run as paymentagg. Those in this folder are for every installation, those in ``sqlite/`` and ``postgresql/``
for one of that database.
"""

from collections.abc import Iterator
from pathlib import Path


def files(database: str, *, folder: Path, scripts: Path, user: str) -> Iterator[tuple[str, str]]:
    """Yield the name and content of each file, for the database, the folders and the user of an installation."""
    here = Path(__file__).parent
    for file in sorted((*here.iterdir(), *(here / database).iterdir())):
        if file.is_file() and file.suffix != ".py":
            content = file.read_text(encoding="utf-8").replace("/opt/paymentagg/bin", str(scripts))
            content = content.replace("/etc/paymentagg", str(folder))
            yield file.name, content.replace("\nUser=paymentagg\n", f"\nUser={user}\n")


def is_secret(name: str) -> bool:
    """Return whether a file may hold a password."""
    return name == "environment" or name.endswith(".env")
