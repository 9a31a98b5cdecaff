"""What the calls are made to: a server, the console script, and their database."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from command import Command
from keyring import Keyring
from paymentagg.domain.access import Role
from postgres import connect
from server import Server, until


class Practice:
    """A server process that needs keys, and the console script, over a database that can be destroyed."""

    def __init__(self, folder: Path, url: str, server: Server, destroy: Callable[[], None]) -> None:
        self.url = url
        self.server = server
        self.destroy = destroy
        self.audit = folder / "audit.jsonl"
        self.command = Command(folder, url)
        ring = Keyring(url)
        self.keys = {role: ring.key(role) for role in Role}
        ring.store.close()
        self.secrets = tuple(key[len("pagg_") + 9 :] for key in self.keys.values())

    def headers(self, role: Role) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def run(self, *arguments: str) -> str:
        """Run paymentagg-sync, and return what it said on standard error."""
        done = self.command.run(*arguments, "--traceback", PAYMENTAGG_AUDIT_FILE=str(self.audit))
        return done.stderr.decode()

    @contextmanager
    def one_of_a_name(self) -> Iterator[None]:
        """Let the database refuse a second patient of a name: PostgreSQL's words for that quote it."""
        with connect(self.url) as connection:
            connection.execute(sa.text("CREATE UNIQUE INDEX one_of_a_name ON patients (last_name)"))
        yield
        with connect(self.url) as connection:
            connection.execute(sa.text("DROP INDEX one_of_a_name"))

    def send(self, text: str) -> None:
        """Send what may be no request, and read what comes back."""
        host, _, port = self.server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def leave(self, path: str, headers: dict[str, str]) -> None:
        """Ask, read the beginning of the answer, leave, and wait until the server has seen that."""
        connection = self.server.connect()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        response.read(1000)
        response.close()
        connection.close()
        until(lambda: b"disconnected" in self.audit.read_bytes())

    def stop(self) -> None:
        self.server.process.terminate()
        self.server.process.wait(60)
