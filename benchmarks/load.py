"""Ask a server on this machine for the same thing again and again, and print how fast it answered as JSON.

    python benchmarks/load.py http://127.0.0.1:6543/patients --seconds 5 --connections 8

Each connection sends its next request when the answer to the last one is whole. The first half second isn't counted.
``reopened`` says how many connections the server closed after an answer.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import urlsplit

WARM_UP = 0.5
NO_BODY = (204, 304)


class Client(asyncio.Protocol):
    """One connection kept alive."""

    def __init__(self, load: "Load", since: float) -> None:
        self.load = load
        self.since = since
        self.transport: asyncio.Transport
        self.received = bytearray()
        self.missing = -1
        self.is_last = False
        self.is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for the type alone
        self.transport = transport
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.missing < 0 and not self.read_head():
            return
        if not self.is_whole():
            return
        now = time.perf_counter()
        self.load.answered(self.since, now, int(self.received[9:12]))
        if self.is_last or self.load.is_over:
            self.transport.close()
            self.load.reopen(now)
            return
        self.received.clear()
        self.missing = -1
        self.since = now
        self.transport.write(self.load.request)

    def is_whole(self) -> bool:
        if self.is_chunked:
            return self.received.endswith(b"\r\n0\r\n\r\n")
        return len(self.received) >= self.missing

    def read_head(self) -> bool:
        """Find out how long the answer is, once its head is whole."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.received[:end].lower()
        _, named, rest = head.partition(b"\r\ncontent-length:")
        length = int(rest.partition(b"\r\n")[0]) if named else 0
        has_body = int(head[9:12]) not in NO_BODY
        self.is_chunked = has_body and b"\r\ntransfer-encoding: chunked" in head
        if has_body and not named and not self.is_chunked:
            self.load.fail("an answer whose end can't be known")
        self.is_last = b"\r\nconnection: close" in head
        self.missing = end + 4 + (length if has_body else 0)
        return True

    def connection_lost(self, exception: Exception | None) -> None:  # noqa: ARG002  as the protocol has it
        if not self.load.is_over and not self.is_last:
            self.load.fail("the server closed a connection")


class Load:
    """Some seconds of requests over some connections."""

    def __init__(self, host: str, port: int, request: bytes, expected: int, seconds: float) -> None:
        self.host = host
        self.port = port
        self.opened: set[asyncio.Transport] = set()
        self.opening: set[asyncio.Future[None]] = set()
        self.reopened = 0
        self.request = request
        self.expected = expected
        self.seconds = seconds
        self.latencies: list[float] = []
        self.failed = 0
        self.is_left = False
        self.begun = time.perf_counter() + WARM_UP
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        return self.is_left or self.ended.done() or time.perf_counter() > self.begun + self.seconds

    def answered(self, sent: float, received: float, status: int) -> None:
        if sent < self.begun:
            return
        if status != self.expected:
            self.failed += 1
        self.latencies.append(received - sent)

    def fail(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(SystemExit(reason))

    def reopen(self, since: float) -> None:
        """Open another connection in the place of one that the server closes; that counts as part of the request."""
        if not self.is_over:
            self.opening.add(asyncio.ensure_future(self.open(since)))
            self.reopened += 1

    async def open(self, since: float) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: Client(self, since), self.host, self.port)
        self.opened.add(transport)

    async def run(self, connections: int) -> dict[str, float]:
        for _ in range(connections):
            await self.open(time.perf_counter())
        done, _ = await asyncio.wait([self.ended], timeout=self.begun + self.seconds - time.perf_counter())
        self.is_left = True
        for transport in self.opened:
            transport.abort()
        for task in self.opening:
            task.cancel()
        for future in done:
            future.result()
        self.latencies.sort()
        if not self.latencies:
            raise SystemExit("no answer at all")
        return {
            "requests_per_second": len(self.latencies) / self.seconds,
            "p50_ms": self.percentile(0.5),
            "p99_ms": self.percentile(0.99),
            "failed": self.failed,
            "reopened": self.reopened,
        }

    def percentile(self, share: float) -> float:
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] * 1000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--if-none-match", metavar="TAG")
    parser.add_argument("--expect", type=int, default=200, metavar="STATUS")
    options = parser.parse_args()
    there = urlsplit(options.url)
    if there.hostname != "127.0.0.1" or not 0 < options.seconds <= 600 or not 0 < options.connections <= 64:
        parser.error("only this machine, for ten minutes at most, over 64 connections at most")
    lines = [
        f"GET {there.path}?{there.query} HTTP/1.1" if there.query else f"GET {there.path} HTTP/1.1",
        f"Host: {there.netloc}",
        "Accept: */*",
        *([f"If-None-Match: {options.if_none_match}"] if options.if_none_match else []),
    ]
    request = "\r\n".join([*lines, "", ""]).encode()
    load = Load(there.hostname, there.port or 80, request, options.expect, options.seconds)
    print(json.dumps(await load.run(options.connections)))


if __name__ == "__main__":
    asyncio.run(main())
