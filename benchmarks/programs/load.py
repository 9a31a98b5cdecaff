"""Send the same request to a server on this machine repeatedly, and print rate and latencies as one line of JSON.

    python benchmarks/programs/load.py http://127.0.0.1:6543/patients --seconds 5 --connections 8

Each connection sends its next request when the last response is complete. The first half second isn't counted.
``reopened`` is the number of connections that the server closed after a response.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit

WARM_UP = 0.5
"""Seconds."""

NO_BODY = (204, 304)
"""Statuses whose responses have no body (RFC 9110, sections 15.3.5 and 15.4.5)."""


class Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: "Load", since: float) -> None:
        self.load = load
        self.sent_at = since
        self.transport: asyncio.Transport
        self.received = bytearray()
        self.expected_bytes = -1
        self.is_last = False
        self.is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  narrows the type
        self.transport = transport
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.expected_bytes < 0 and not self.read_head():
            return
        if not self.is_complete():
            return
        now = time.perf_counter()
        self.load.record(self.sent_at, now, int(self.received[9:12]))
        if self.is_last or self.load.is_over:
            self.transport.close()
            self.load.reopen(now)
            return
        self.received.clear()
        self.expected_bytes = -1
        self.sent_at = now
        self.transport.write(self.load.request)

    def is_complete(self) -> bool:
        """Return whether all of the response has arrived; its head must have been read."""
        if self.is_chunked:
            return self.received.endswith(b"\r\n0\r\n\r\n")
        return len(self.received) >= self.expected_bytes

    def read_head(self) -> bool:
        """Determine the length of the response; return False while its head is incomplete."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.received[:end].lower()
        _, named, rest = head.partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0]) if named else 0
        has_body = int(head[9:12]) not in NO_BODY
        self.is_chunked = has_body and b"\r\ntransfer-encoding: chunked" in head
        if has_body and not named and not self.is_chunked:
            self.load.fail("a response has neither Content-Length nor chunked encoding, so its end can't be known")
        self.is_last = b"\r\nconnection: close" in head
        self.expected_bytes = end + 4 + (length if has_body else 0)
        return True

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002  asyncio.Protocol's signature
        if not self.load.is_over and not self.is_last:
            self.load.fail("the server closed a connection")


class Load:
    """Requests over some connections for some seconds, and the latencies measured so far."""

    def __init__(self, host: str, port: int, request: bytes, expected_status: int, seconds: float) -> None:
        self.host = host
        self.port = port
        self.opened: set[asyncio.Transport] = set()
        self.opening: set[asyncio.Future[None]] = set()
        self.reopened = 0
        self.request = request
        self.expected_status = expected_status
        self.seconds = seconds
        self.latencies: list[float] = []
        self.failed = 0
        self.is_stopped = False
        self.counted_from = time.perf_counter() + WARM_UP
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        """Whether no further request is to be sent."""
        return self.is_stopped or self.failure.done() or time.perf_counter() > self.counted_from + self.seconds

    def record(self, sent: float, received: float, status: int) -> None:
        """Count a response, unless its request was sent during the warm-up. Times are those of ``perf_counter``."""
        if sent < self.counted_from:
            return
        if status != self.expected_status:
            self.failed += 1
        self.latencies.append(received - sent)

    def fail(self, reason: str) -> None:
        """End the program with this message."""
        if not self.failure.done():
            self.failure.set_exception(SystemExit(reason))

    def reopen(self, since: float) -> None:
        """Replace a connection that the server closes; the time for that counts as part of the next request."""
        if not self.is_over:
            self.opening.add(asyncio.ensure_future(self.open(since)))
            self.reopened += 1

    async def open(self, since: float) -> None:
        """Open a connection. The latency of its first request is counted from ``since``."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: Client(self, since), self.host, self.port)
        self.opened.add(transport)

    async def run(self, connections: int) -> dict[str, float]:
        """Send requests over so many connections, and return the metrics.

        Raises:
            SystemExit: the server didn't respond, or not as HTTP/1.1 requires.
        """
        for _ in range(connections):
            await self.open(time.perf_counter())
        done, _ = await asyncio.wait([self.failure], timeout=self.counted_from + self.seconds - time.perf_counter())
        self.is_stopped = True
        for transport in self.opened:
            transport.abort()
        for task in self.opening:
            task.cancel()
        for future in done:
            future.result()
        self.latencies.sort()
        if not self.latencies:
            raise SystemExit("the server didn't respond in time")
        return {
            "requests_per_second": len(self.latencies) / self.seconds,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
            "failed": self.failed,
            "reopened": self.reopened,
        }

    def percentile(self, share: float) -> float:
        """Return the latency in milliseconds that this share of the responses didn't exceed."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] * 1000


async def main() -> None:
    """Parse the arguments, run the load and print its metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--if-none-match", metavar="TAG")
    parser.add_argument("--expect", type=int, default=200, metavar="STATUS")
    options = parser.parse_args()
    url = urlsplit(options.url)
    if url.hostname != "127.0.0.1" or not 0 < options.seconds <= 600 or not 0 < options.connections <= 64:
        parser.error("the URL must be on 127.0.0.1; at most 600 seconds and 64 connections are allowed")
    lines = [
        f"GET {url.path}?{url.query} HTTP/1.1" if url.query else f"GET {url.path} HTTP/1.1",
        f"Host: {url.netloc}",
        "Accept: */*",
        *([f"If-None-Match: {options.if_none_match}"] if options.if_none_match else []),
    ]
    request = "\r\n".join([*lines, "", ""]).encode()
    load = Load(url.hostname, url.port or 80, request, options.expect, options.seconds)
    print(json.dumps(await load.run(options.connections)))


if __name__ == "__main__":
    asyncio.run(main())
