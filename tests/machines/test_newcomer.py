"""A newcomer with nothing but Python: the wheel, paymentagg-init, the first sync, the first page, in two minutes.

The commands are those that paymentagg-init prints. ``-rP`` shows how long each took.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from machines.debian import Debian, fresh, own_network
from project import PROJECT, SAMPLES
from server import PATIENCE, until

PASSWORD = "secret"  # noqa: S105 - of servers that exist only during a test
FIRST_PAGE = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:6543/ui').read().decode())"
POSTGRESQL = (
    "-D",
    "/var/lib/postgresql/15/main",
    "-c",
    "config_file=/etc/postgresql/15/main/postgresql.conf",
    "-c",
    "ssl=off",
)
PATH = "/opt/paymentagg/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Person:
    """Somebody who types commands as root, one after the other."""

    def __init__(self, debian: Debian) -> None:
        self.debian = debian
        self.environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
        self.seconds = 0.0

    def types(self, line: str, answers: str = "") -> str:
        """Run a command to its end, in the folder /root, and return what it prints; each prompt gets one line."""
        begun = time.monotonic()
        done = subprocess.run(
            self.debian.command(["bash", "-c", line], environment=self.environment, folder="/root"),
            input=answers,
            capture_output=True,
            text=True,
            start_new_session=True,  # without a terminal, passwords are read from standard input
        )
        self.took(line, time.monotonic() - begun)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def follows(self, line: str) -> None:
        """Do what a line says that paymentagg-init has printed."""
        exported = re.match(r"export (\w+)=(\S+)", line)
        if exported:
            self.environment[exported[1]] = exported[2].replace("PASSWORD", PASSWORD)
        elif re.match("psql|createuser|createdb", line):
            self.types(f"setpriv --reuid=postgres --regid=postgres --init-groups {line}", f"{PASSWORD}\n{PASSWORD}\n")
        else:
            self.types(line)

    def took(self, line: str, seconds: float) -> None:
        """Note how long a command took."""
        self.seconds += seconds
        print(f"{seconds:6.1f} s  {line}")


@contextmanager
def machine(debian: Path, wheel: Path, *packages: str) -> Iterator[Debian]:
    """A machine with Python, these packages of Debian, and the files of a newcomer in /root."""
    with fresh(debian) as root:
        root.run(["apt-get", "update", "-qq"])
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3", "python3-venv", *packages]
        root.run(install, DEBIAN_FRONTEND="noninteractive")
        for file in (wheel, SAMPLES / "patients.json", SAMPLES / "payments.json", PROJECT / "requirements.lock"):
            (root.root / "root" / file.name).write_bytes(file.read_bytes())
        yield root


@contextmanager
def first_steps(root: Debian, wheel: Path, database: str) -> Iterator[tuple[Person, list[str]]]:
    """Install and initialise; give the newcomer, in a network of their own for the block, and the commands printed."""
    newcomer = Person(root)
    newcomer.environment |= root.pip
    newcomer.types(f"python3 -m venv /opt/paymentagg && /opt/paymentagg/bin/pip install -q {wheel.name}")
    printed = newcomer.types(f"paymentagg-init /etc/paymentagg --database {database}")
    with own_network() as network:
        newcomer.debian = replace(root, network=network)
        yield newcomer, [line.strip() for line in printed.splitlines() if line.startswith("  ")]


def open_first_page(newcomer: Person, serve: str) -> str:
    """Start the server, return the first page once there is one, and stop the server."""
    begun = time.monotonic()
    command = newcomer.debian.command(["bash", "-c", f"exec {serve}"], environment=newcomer.environment, folder="/root")
    ask = newcomer.debian.command(["python3", "-c", FIRST_PAGE], environment=newcomer.environment)
    pages: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:

            def is_answered() -> bool:
                pages.append(subprocess.run(ask, capture_output=True, text=True).stdout)
                return process.poll() is not None or pages[-1] != ""

            until(is_answered)
            newcomer.took(serve, time.monotonic() - begun)
        finally:
            process.kill()
    return pages[-1]


def test_the_first_page_on_sqlite(debian: Path, wheel: Path) -> None:
    with machine(debian, wheel) as root, first_steps(root, wheel, "sqlite") as (newcomer, (sync, serve, _)):
        newcomer.follows(sync)
        assert "4" in open_first_page(newcomer, serve)
        assert newcomer.seconds < 2 * 60


def test_the_first_page_on_postgresql(debian: Path, wheel: Path) -> None:
    with ExitStack() as stack:
        root = stack.enter_context(machine(debian, wheel, "postgresql"))
        newcomer, (*commands, serve, _) = stack.enter_context(first_steps(root, wheel, "postgresql"))
        server = newcomer.debian.command(
            ["/usr/lib/postgresql/15/bin/postgres", *POSTGRESQL], environment={"PATH": PATH}, user="postgres"
        )
        process = stack.enter_context(subprocess.Popen(server, stderr=subprocess.PIPE))
        stack.callback(process.wait, PATIENCE)
        stack.callback(process.kill)
        until(lambda: process.poll() is not None or (root.root / "run/postgresql/.s.PGSQL.5432").exists())
        for command in commands:
            newcomer.follows(command)
        assert "Sign in" in open_first_page(newcomer, serve)
        assert newcomer.seconds < 2 * 60
