"""A server and the console script with one database, to send the canaries to."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from command import SCRIPT, Command
from keyring import Keyring, secret_of
from paymentagg.domain.access import Role
from postgres import connect
from server import Server, until


class Practice:
    """A server process that requires keys, and the console script, with a database that can be destroyed.

    ``keys`` has the text of a key for each role, ``secrets`` their secret parts, ``audit`` is the audit log of both.
    """

    def __init__(self, folder: Path, url: str, server: Server, destroy: Callable[[], None]) -> None:
        self.url = url
        self.server = server
        self.destroy = destroy
        self.audit = folder / "audit.jsonl"
        self.command = Command(folder, url)
        ring = Keyring(url)
        self.keys = {role: ring.key(role) for role in Role}
        ring.store.close()
        self.secrets = tuple(secret_of(key) for key in self.keys.values())

    def headers(self, role: Role) -> dict[str, str]:
        """Return the header with the key of a role."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def run(self, *arguments: str, script: Path = SCRIPT) -> str:
        """Run paymentagg-sync or another script, and return its standard error."""
        command = Command(self.command.folder, self.url, script)
        more = ("--traceback",) if script == SCRIPT else ()
        return command.run(*arguments, *more, PAYMENTAGG_AUDIT_FILE=str(self.audit)).stderr.decode()

    @contextmanager
    def one_of_a_name(self) -> Iterator[None]:
        """Make last names unique for the block: PostgreSQL's error message for a violation quotes the value."""
        with connect(self.url) as connection:
            connection.execute(sa.text("CREATE UNIQUE INDEX one_of_a_name ON patients (last_name)"))
        yield
        with connect(self.url) as connection:
            connection.execute(sa.text("DROP INDEX one_of_a_name"))

    def send(self, text: str) -> None:
        """Send text that may be no valid request, and read until the server closes the connection."""
        host, _, port = self.server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def leave(self, path: str, headers: dict[str, str]) -> None:
        """Close the connection after the beginning of the response, and wait until the server has noticed."""
        connection = self.server.connect()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        response.read(1000)
        response.close()
        connection.close()
        until(lambda: b"disconnected" in self.audit.read_bytes())

    def stop(self) -> None:
        """Stop the server, and wait until it has exited."""
        self.server.process.terminate()
        self.server.process.wait(60)
