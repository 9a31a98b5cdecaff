"""Attacks on a running server, from this machine only: others are still served, and neither memory nor disk is taken.

``make test-attacks`` runs them at full force and prints their figures; other runs are short and gentle, since other
tests run beside them.
"""

import http.client
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builders import array, patient_row
from keyring import Keyring
from paymentagg.domain.access import Role
from server import Server, serving, spooled

MB = 1_000_000
TIMEOUT = 20.0
"""Seconds that another client waits for an answer."""


@dataclass(frozen=True)
class Force:
    """The duration of an attack in seconds, and a factor for its bytes per second."""

    seconds: float
    factor: float


@dataclass
class Figures:
    """What others saw during an attack: seconds of each answer, and the requests that failed."""

    answered: list[float] = field(default_factory=list)
    failed: int = 0
    memory: int = 0
    spooled: int = 0

    @property
    def share(self) -> float:
        """The answered part of all requests."""
        return len(self.answered) / (len(self.answered) + self.failed)

    def __str__(self) -> str:
        return (
            f"{100 * self.share:.2f} % of {len(self.answered) + self.failed} answered, "
            f"median {1000 * statistics.median(self.answered):.1f} ms, longest {1000 * max(self.answered):.0f} ms, "
            f"memory {self.memory / MB:.0f} MB, spooled {self.spooled} bytes"
        )


@pytest.fixture
def keys(database_url: str) -> Keyring:
    return Keyring(database_url)


@pytest.fixture
def server(database_url: str, tmp_path: Path, keys: Keyring) -> Iterator[Server]:
    with serving(tmp_path, database_url, {"paymentagg.access": "keys"}) as server:
        admin = {"Authorization": f"Bearer {keys.key(Role.ADMIN)}"}
        assert (
            server.post("/patients", array(*(patient_row(str(number)) for number in range(100))), **admin).status == 200
        )
        yield server


@pytest.mark.parametrize("has_key", [False, True], ids=["anonymous", "with a key"])
@pytest.mark.parametrize("peers", [1, 50])
def test_silent_bodies_keep_nobody_out(server: Server, keys: Keyring, force: Force, peers: int, has_key: bool) -> None:
    key = keys.key(Role.SYNCER) if has_key else ""
    idle, under_attack = measured(server, keys, force, "silent-bodies", peers, 56_000, key)
    assert under_attack.share >= 0.99
    assert under_attack.spooled == 0
    assert under_attack.memory - idle.memory <= 64 * MB


def test_anonymous_bodies_take_neither_memory_nor_disk(server: Server, keys: Keyring, force: Force) -> None:
    idle, under_attack = measured(server, keys, force, "large-bodies", 50, 100 * MB, "")
    assert under_attack.share >= 0.99
    assert under_attack.spooled == 0
    assert under_attack.memory - idle.memory <= 64 * MB


def test_bodies_with_a_key_take_a_bounded_amount_of_memory(server: Server, keys: Keyring, force: Force) -> None:
    idle, under_attack = measured(server, keys, force, "large-bodies", 50, 100 * MB, keys.key(Role.SYNCER))
    assert under_attack.share >= 0.99
    assert under_attack.memory - idle.memory <= 64 * MB


def test_tiny_chunks_do_not_keep_others_waiting(server: Server, keys: Keyring, force: Force) -> None:
    idle, under_attack = measured(server, keys, force, "tiny-chunks", 1, MB, keys.key(Role.SYNCER))
    assert under_attack.share == 1
    ratio = statistics.median(under_attack.answered) / statistics.median(idle.answered)
    sys.stdout.write(f"median: {ratio:.2f} x idle\n")


def measured(
    server: Server, keys: Keyring, force: Force, kind: str, peers: int, rate: int, key: str
) -> tuple[Figures, Figures]:
    """Return the figures of other clients without and with an attack, and print both."""
    reader = {"Authorization": f"Bearer {keys.key(Role.READER)}"}
    idle = observed(server, reader, force.seconds / 4)
    with attacking(server, kind, peers, int(force.factor * rate), key):
        under_attack = observed(server, reader, force.seconds)
    who = f"{kind} from {peers} {'with a key' if key else 'anonymous'}"
    sys.stdout.write(f"{who}\n  idle:   {idle}\n  attack: {under_attack}\n")
    return idle, under_attack


def observed(server: Server, reader: Mapping[str, str], seconds: float) -> Figures:
    """Ask for the health and for patients, each over a new connection, for so many seconds."""
    figures = Figures()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path, headers in (("/health/live", {}), ("/patients?limit=1", reader)):
            began = time.monotonic()
            connection = http.client.HTTPConnection(server.address, timeout=TIMEOUT)
            try:
                connection.request("GET", path, headers=dict(headers))
                assert connection.getresponse().status == 200
            except OSError:
                figures.failed += 1
            else:
                figures.answered.append(time.monotonic() - began)
            finally:
                connection.close()
        figures.memory = max(figures.memory, memory(server))
        figures.spooled = max(figures.spooled, spooled(server))
    return figures


@contextmanager
def attacking(server: Server, *settings: str | int) -> Iterator[None]:
    """Run an attack for the block; see ``attacker``."""
    kind, *others = map(str, settings)
    command = [sys.executable, str(Path(__file__).with_name("attacker.py")), kind, server.address, *others]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield
        opened, _ = process.communicate("\n")
    assert int(opened) > 0


def memory(server: Server) -> int:
    """Return the resident memory of the server in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return 1024 * int(found[1])


@pytest.fixture
def force(scale: int) -> Force:
    return Force(2, 1 / 10) if scale == 1 else Force(min(4 * scale, 60), 1)
