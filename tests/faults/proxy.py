"""A proxy between paymentagg and PostgreSQL that knows one message, COMMIT, and can lose it or the answer to it."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

import sqlalchemy as sa

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message as libpq sends it: alone, since it waits for the answer to what came before."""

QUERY, ANSWER = "query", "answer"


class Proxy:
    """Passes everything on. ``loses`` says what it loses of the next COMMIT; the connection is closed then."""

    def __init__(self, listener: socket.socket, server: sa.URL) -> None:
        self.loses: str | None = None
        host, port = listener.getsockname()
        self.url = server.set(host=host, port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        self._listener = listener
        self._server = server

    def serve(self) -> None:
        with suppress(OSError):  # the listener is shut when the test is over
            while True:
                client, _ = self._listener.accept()
                link = _Link(self, client, self._connect())
                Thread(target=link.ask, daemon=True).start()
                Thread(target=link.answer, daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._server.query.get("host") or self._server.host)
        port = self._server.port or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(host) / f".s.PGSQL.{port}"))
        return connection


class _Link:
    """One connection on its way through the proxy. Either end that closes closes the other."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_mute = False

    def ask(self) -> None:
        with closing(self._client), suppress(OSError):
            while sent := self._client.recv(65536):
                if sent == COMMIT:
                    lost, self._proxy.loses = self._proxy.loses, None
                    self._is_mute = lost == ANSWER
                    if lost == QUERY:
                        break
                self._server.sendall(sent)
        self._shut()

    def answer(self) -> None:
        with closing(self._server), suppress(OSError):
            while (sent := self._server.recv(65536)) and not self._is_mute:
                self._client.sendall(sent)
        self._shut()

    def _shut(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(server: sa.URL) -> Iterator[Proxy]:
    """A proxy before this server, for as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener, server)
        Thread(target=proxy.serve, daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
