"""Bombs: a server process refuses them or rejects their rows, in bounded memory, and keeps serving."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api import PATIENTS, PAYMENTS
from bombs import BOMBS, MEGABYTE
from builders import array
from practice import Practice
from server import Server, ask, serving
from stores import SqlStore

ROWS = 100_000
"""The number of rows of bombs that consist of rows, at scale 1."""
MAX_ROWS = 3_000_000
"""The largest number of rows, at any scale."""

LIMIT = 200 * MEGABYTE
"""The largest allowed upload, in bytes."""
MAX_MEMORY = 300 * MEGABYTE
"""How many bytes more than the idle server a request may take."""

TIMEOUT = 600.0
"""Seconds to wait for an answer."""


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_refused_in_bounded_memory_and_changes_nothing(
    server: Server, stored: Practice, scale: int, name: str
) -> None:
    bomb = BOMBS[name]
    before = stored.rows
    body = bomb.body(min(ROWS * scale, MAX_ROWS), LIMIT)
    idle = memory(server, "VmRSS")
    reset_peak(server)
    with closing(server.connect()) as connection:
        connection.timeout = TIMEOUT
        start, cpu_start = time.monotonic(), cpu_seconds(server)
        answer = ask(connection, "POST", bomb.path, body, {"Content-Type": bomb.media})
        seconds, cpu = time.monotonic() - start, cpu_seconds(server) - cpu_start
    peak = memory(server, "VmHWM") - idle
    print(f"{name}: {answer.status}, {seconds:.1f} s, {cpu:.1f} s of CPU, {peak / MEGABYTE:.0f} MB over idle")
    code = answer.code if answer.status >= 400 else ""
    assert (answer.status, code) == bomb.answer, answer.body[:1000]
    assert peak <= MAX_MEMORY
    assert stored.rows == before
    assert not [line for line in server.log if "Traceback" in line or "internal error" in line]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /patients?payment_min=%b HTTP/1.1\r\n\r\n" % (b"1" * MEGABYTE),
        b"POST /snapshot HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=%b\r\n\r\n" % (b"b" * MEGABYTE),
        b"GET /patients HTTP/1.1\r\n%b\r\n" % (b"X: y\r\n" * 200_000),
    ],
    ids=["query string", "content type", "lines"],
)
def test_a_head_of_a_megabyte_is_not_read_to_its_end(server: Server, stored: Practice, head: bytes) -> None:
    before = stored.rows
    host, _, port = server.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
        try:
            connection.sendall(head)
            answer = connection.recv(1000)
        except ConnectionError:  # the server closed the connection before all was sent
            answer = b""
    assert not answer or answer.split(b" ")[1] == b"431"
    assert stored.rows == before
    assert server.get("/patients").status == 200


def memory(server: Server, kind: str) -> int:
    """Return the bytes that the server's process has in memory now (VmRSS), or its peak (VmHWM)."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{kind}:"))
    return int(kilobytes) * 1024


def cpu_seconds(server: Server) -> float:
    """Return the CPU time of the server's process, which unlike a clock doesn't depend on other load."""
    user, system = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def reset_peak(server: Server) -> None:
    """Reset the peak (VmHWM) of the server's process to what it has in memory now."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


@pytest.fixture(scope="module")
def server(shared_database_url: str, store: SqlStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: ARG001  the store is emptied first
    """A server that stores PATIENTS and PAYMENTS and accepts uploads up to LIMIT."""
    settings = {"paymentagg.max_upload_bytes": str(LIMIT)}
    with serving(tmp_path_factory.mktemp("bombs"), shared_database_url, settings) as server:
        for path, rows in {"/patients": PATIENTS, "/payments": PAYMENTS}.items():
            assert server.post(path, array(*rows)).status == 200
        yield server


@pytest.fixture(scope="module")
def stored(server: Server, store: SqlStore) -> Practice:  # noqa: ARG001  the server fills it
    """The rows that the server stores."""
    return Practice(store)
