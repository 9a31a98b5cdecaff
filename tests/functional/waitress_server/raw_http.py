"""Requests as bytes on a socket, and their responses: for requests that no HTTP client would send."""

import socket

from server import PATIENCE, Server


class Exchanged:
    """A response that was read from the socket; the names of its headers are in lower case."""

    def __init__(self, whole: bytes) -> None:
        head, _, self.body = whole.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers.setdefault(name.lower(), []).append(value)


def exchange(server: Server, request: bytes) -> Exchanged:
    """Send a request over a new connection, and return the response."""
    with connected(server) as connection:
        connection.sendall(request)
        return Exchanged(received(connection))


def post_of(body: bytes) -> bytes:
    """Return the bytes of a request that posts patients."""
    head = "POST /patients HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def connected(server: Server, source: str = "127.0.0.1") -> socket.socket:
    """Return a new connection to the server from an address of this machine."""
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE, source_address=(source, 0))


def received(connection: socket.socket) -> bytes:
    """Return all bytes up to the end of the stream."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def is_open(connection: socket.socket) -> bool:
    """Return whether the server hasn't closed the connection."""
    connection.settimeout(0.01)
    try:
        return connection.recv(65536) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def is_open_after(connection: socket.socket, drop: bytes) -> bool:
    """Send a few bytes, and return whether the connection is still open a moment later."""
    try:
        connection.sendall(drop)
    except OSError:
        return False
    return is_open(connection)
