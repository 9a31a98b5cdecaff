"""Four processes on one database behind nginx, as docs/ and production.ini say."""

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from canaries import OF_PATIENTS, found
from deployment.client import Client
from deployment.nginx import PORTS, running_nginx
from keyring import Keyring
from paymentagg.domain.access import Role
from project import INSTALLATION, PROJECT
from server import Server, running

UNIT = INSTALLATION / "many-processes.conf"


@dataclass(frozen=True)
class Installation:
    """The processes, nginx before them, and the keys in their database."""

    processes: list[Server]
    nginx: Client
    keys: Keyring
    folder: Path
    """The folder of production.ini, and of the files of nginx in ``nginx``."""

    @property
    def audit_log(self) -> Path:
        """The file of the audit log, which all processes share."""
        return self.folder / "paymentagg-audit.jsonl"

    @property
    def direct(self) -> list[Client]:
        """Clients that reach one process each, past nginx."""
        return [Client(process.address) for process in self.processes]

    def bearer(self, role: Role = Role.ADMIN) -> dict[str, str]:
        """Return the header of a new key."""
        return {"Authorization": f"Bearer {self.keys.key(role)}"}


@contextmanager
def installation(folder: Path, database_url: str) -> Iterator[Installation]:
    """Run all for the block, then check the logs for data of patients."""
    shutil.copy(PROJECT / "production.ini", folder)
    port, *ports = free_ports(1 + len(PORTS))
    keys = Keyring(database_url)
    with ExitStack() as stack:
        processes = [stack.enter_context(instance(folder, database_url, each)) for each in ports]
        assert [process.address for process in processes] == [f"127.0.0.1:{each}" for each in ports]
        stack.enter_context(running_nginx(folder / "nginx", port, ports))
        yield Installation(processes, Client(f"127.0.0.1:{port}"), keys, folder)
    keys.store.close()
    logs = [log.read_text() for log in (folder / "nginx").glob("*.log")]
    assert found("\n".join(logs), OF_PATIENTS) == []


@contextmanager
def instance(folder: Path, database_url: str, port: int) -> Iterator[Server]:
    """Run one process for the block, as the unit for systemd starts it; a test may kill it before."""
    command = re.search("^ExecStart=/opt/paymentagg/bin/pserve (.+)$", UNIT.read_text(), re.MULTILINE)
    assert command is not None
    arguments = command[1].replace("/etc/paymentagg/", "").replace("%i", str(port)).split()
    with running(arguments, folder, {"PAYMENTAGG_DATABASE_URL": database_url}) as server:
        yield server


def free_ports(number: int) -> list[int]:
    """Return so many ports on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]
