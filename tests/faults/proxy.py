"""A proxy between paymentagg and PostgreSQL that can drop a COMMIT, or the response to it."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread

import sqlalchemy as sa

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message as libpq sends it: alone, because libpq waits for the response to each query before it sends the next."""

QUERY, ANSWER = "query", "answer"


class Proxy:
    """Forwards everything, except the part of the next COMMIT named by ``drops``; then it closes the connection."""

    def __init__(self, listener: socket.socket, server: sa.URL) -> None:
        self.drops: str | None = None
        host, port = listener.getsockname()
        self.url = server.set(host=host, port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        self._listener = listener
        self._server = server

    def serve(self) -> None:
        """Forward connections until the listener is shut down."""
        with suppress(OSError):  # raised by accept() after that
            while True:
                client, _ = self._listener.accept()
                link = _Link(self, client, self._connect())
                Thread(target=link.forward_queries, daemon=True).start()
                Thread(target=link.forward_answers, daemon=True).start()

    def _connect(self) -> socket.socket:
        host = str(self._server.query.get("host") or self._server.host)
        port = self._server.port or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(host) / f".s.PGSQL.{port}"))
        return connection


class _Link:
    """One connection through the proxy. When either end closes, so does the other."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._drops_answers = False

    def forward_queries(self) -> None:
        with closing(self._client), suppress(OSError):
            while sent := self._client.recv(65536):
                if sent == COMMIT:
                    dropped, self._proxy.drops = self._proxy.drops, None
                    self._drops_answers = dropped == ANSWER
                    if dropped == QUERY:
                        break
                self._server.sendall(sent)
        self._shut()

    def forward_answers(self) -> None:
        with closing(self._server), suppress(OSError):
            while (sent := self._server.recv(65536)) and not self._drops_answers:
                self._client.sendall(sent)
        self._shut()

    def _shut(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(server: sa.URL) -> Iterator[Proxy]:
    """Start a proxy for this server; stop it when the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener, server)
        Thread(target=proxy.serve, daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
