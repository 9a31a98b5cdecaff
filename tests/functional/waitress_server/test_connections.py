"""Real connections to a real server process: broken requests, slow clients, clients that leave, proxies, headers."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from api import XLSX
from builders import array, ndjson, patient_row
from functional.waitress_server.raw_http import connected, exchange, is_open, is_open_after, post_of, received
from paymentagg.entrypoints.http.security_headers import HEADERS, OVER_TLS
from server import Server, serving, until

LIMITED = """
from paymentagg.entrypoints.waitress_server.limits import Limits
from paymentagg.entrypoints.waitress_server.server import serve

def main(global_conf, **settings):
    limits = {name: float(settings.pop(name)) for name in Limits.__struct_fields__ if name in settings}
    return lambda app: serve(app, settings, Limits(interval=0.05, **limits))
"""
"""A server runner that reads its limits from the ini file, so that tests can set short deadlines."""

POST = b"POST /patients HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SIZED = POST + b"Content-Length: 100000\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

A_PATIENT = array(patient_row())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: -1", 400),
        (b"Content-Length: 1_0", 400),
        (b"Content-Length: 5, 5", 400),
        (b"Content-Length: 5\r\nContent-Length: 6", 400),
        (b"Content-Length: " + b"9" * 5_000, 400),
        (b"Transfer-Encoding: gzip", 501),
        (b"Transfer-Encoding: chunked, identity", 501),
        (b"Transfer-Encoding: chunked\r\n\r\nx\r\n[]", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n-2\r\n[]", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]x", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 2", 400),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked\r\n\r\n\r\n0", 400),
        (b"Host: localhost\r\nContent-Length: 2", 400),
        (b"No colon", 400),
        (b"X: " + b"y" * 17_000, 431),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else "",
)
def test_a_frame_that_is_broken_is_refused_and_nothing_is_changed(untouched: Server, head: bytes, status: int) -> None:
    answer = exchange(untouched, POST + head + b"\r\n\r\n")
    assert answer.status == status
    assert answer.headers["content-type"] == ["application/problem+json"]
    assert b'"type":"urn:paymentagg:problem:' in answer.body
    assert untouched.get("/patients").json == []


@pytest.mark.parametrize("endless", [b"0" * 17_000, b"2\r\n[]\r\n0\r\nA: " + b"b" * 17_000], ids=["size", "trailer"])
def test_a_chunk_size_or_trailer_without_end_is_refused(untouched: Server, endless: bytes) -> None:
    answer = exchange(untouched, CHUNKED + endless)
    assert answer.status == 400


@pytest.mark.parametrize("line", [b"GET http://[::1/v HTTP/1.1", b"GET /%ff HTTP/1.1", b"GET", b"\x16\x03\x01\x02"])
def test_an_invalid_request_line_is_refused_and_the_server_goes_on(untouched: Server, line: bytes) -> None:
    answer = exchange(untouched, line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.status == 400
    assert untouched.get("/patients").status == 200


@pytest.mark.parametrize(
    "first",
    [
        b"GET /patients HTTP/1.1",
        b"GET /patients HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        b"GET /patients HTTP/1.0\r\nTransfer-Encoding: chunked",
        b"POST /patients HTTP/1.0\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_request_whose_host_or_end_is_in_doubt_is_refused_and_the_connection_closed(
    untouched: Server, first: bytes
) -> None:
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(untouched) as connection:
        connection.sendall(first + b"\r\nConnection: keep-alive\r\n\r\n" + smuggled)
        whole = received(connection)
    assert whole.startswith(b"HTTP/1.1 400 ") or whole.startswith(b"HTTP/1.0 400 ")
    assert whole.count(b"HTTP/1.1 ") + whole.count(b"HTTP/1.0 ") == 1


def test_a_body_that_is_cut_off_changes_nothing(untouched: Server) -> None:
    with connected(untouched) as connection:
        connection.sendall(post_of(A_PATIENT)[:-10])
        connection.shutdown(socket.SHUT_WR)
        assert received(connection) == b""
    assert untouched.get("/patients").json == []


def test_a_client_that_asks_and_closes_its_side_gets_its_answer(untouched: Server) -> None:
    with connected(untouched) as connection:
        connection.sendall(b"GET /patients HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).endswith(b"[]")


def test_a_sync_whose_client_has_left_is_done_once(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url) as server:
        with connected(server) as connection:
            connection.sendall(post_of(A_PATIENT))
        until(lambda: server.get("/patients").json != [])
        assert [report["patients"]["created"] for report in server.get("/syncs").json] == [1]


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"G"),
        (b"", b"\r\n\r\n"),
        (b"GET / HTTP/1.1\r\nX: ", b"y"),
        (SIZED, b"["),
        (CHUNKED, b"1\r\n[\r\n"),
    ],
    ids=["request line", "empty lines", "header", "body", "chunks"],
)
def test_a_client_that_sends_a_byte_at_a_time_is_cut_off(quick: Server, start: bytes, drop: bytes) -> None:
    with connected(quick) as connection:
        connection.sendall(start)
        connection.settimeout(0.05)
        until(lambda: not is_open_after(connection, drop))


def test_a_client_that_keeps_the_pace_is_served(tmp_path: Path, sqlite_url: str) -> None:
    with limited(tmp_path, sqlite_url, grace=0, pace=1) as server:
        rows = ndjson(*(patient_row(str(number)) for number in range(100)))
        chunks = (rows[start : start + 50] for start in range(0, len(rows), 50))
        assert server.post("/patients", chunks, "application/x-ndjson").status == 200


def test_a_client_that_does_not_take_its_answer_gives_its_thread_back(tmp_path: Path, sqlite_url: str) -> None:
    rows = ndjson(*(patient_row(f"{number:0200}") for number in range(60_000)))
    with limited(tmp_path, sqlite_url, grace=2, idle=2, threads=1) as server:
        assert server.post("/patients", rows, "application/x-ndjson").status == 200
        with connected(server) as connection:
            connection.sendall(b"GET /patients HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n")
            assert connection.recv(1)  # the only thread sends this, and it is larger than waitress's buffer
            assert server.get("/patients?limit=1").status == 200
    assert not any("GET" in line or "/patients" in line for line in server.log)


@pytest.mark.parametrize(
    "start", [b"", b"GET / HTTP/1.1\r\nX: y", SIZED, CHUNKED], ids=["idle", "head", "body", "chunks"]
)
def test_silent_connections_make_room_for_new_ones(tmp_path: Path, sqlite_url: str, start: bytes) -> None:
    with limited(tmp_path, sqlite_url, connections=5) as server:
        silent = [connected(server) for _ in range(20)]
        for connection in silent:
            with suppress(OSError):  # it may be closed already
                connection.sendall(start)
            assert server.get("/patients").status == 200
        until(lambda: sum(is_open(connection) for connection in silent) <= 5)
        until(lambda: any("silent connections in favour of new ones" in line for line in server.log))
        for connection in silent:
            connection.close()


def test_a_connection_that_sends_is_kept_when_silent_ones_are_closed(tmp_path: Path, sqlite_url: str) -> None:
    with limited(tmp_path, sqlite_url, connections=5) as server, connected(server) as upload:
        upload.sendall(POST + b"Content-Length: 22\r\n\r\n[")
        silent = []
        for _ in range(20):
            upload.sendall(b" ")
            silent.append(connected(server))
            assert server.get("/patients").status == 200
        upload.sendall(b"]")
        assert upload.recv(65536).startswith(b"HTTP/1.1 200 ")
        for connection in silent:
            connection.close()


def test_one_address_takes_only_a_part_of_the_connections(tmp_path: Path, sqlite_url: str) -> None:
    with limited(tmp_path, sqlite_url, peer_connections=5, connections=100) as server, connected(server) as first:
        many = [connected(server, "127.0.0.2") for _ in range(20)]
        assert server.get("/patients").status == 200
        until(lambda: sum(is_open(connection) for connection in many) <= 5)
        assert is_open(first)
        for connection in many:
            connection.close()


def test_every_response_has_the_security_headers(server: Server) -> None:
    server.post("/patients", A_PATIENT)
    tag = server.get("/patients").headers["ETag"].encode()
    for request, status in [
        (b"GET /patients HTTP/1.1", 200),
        (b"GET /patients HTTP/1.0", 200),
        (b"HEAD /patients HTTP/1.1", 200),
        (b"GET /patients HTTP/1.1\r\nIf-None-Match: " + tag, 304),
        (b"GET /patients HTTP/1.1\r\nAccept: text/csv", 200),
        (b"GET /patients HTTP/1.1\r\nAccept: application/x-ndjson", 200),
        (b"GET /patients HTTP/1.1\r\nAccept: " + XLSX.encode(), 200),
        (b"GET /patients HTTP/1.0\r\nAccept: text/csv", 505),
        (b"GET /patients HTTP/1.1\r\nAccept: image/png", 406),
        (b"GET /patients?x=1 HTTP/1.1", 400),
        (b"GET /nothing HTTP/1.1", 404),
        (b"GET /%ff HTTP/1.1", 400),
        (b"PUT /patients HTTP/1.1", 405),
        (b"OPTIONS /patients HTTP/1.1\r\nOrigin: https://example.org\r\nAccess-Control-Request-Method: POST", 403),
        (b"POST /patients HTTP/1.1\r\nContent-Type: text/xml", 415),
        (b"POST /patients?dry_run=true HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 200),
        (b"POST /patients HTTP/1.1\r\nContent-Length: 9999999999999", 413),
        (b"POST /patients HTTP/1.1\r\nContent-Length: x", 400),
        (b"POST /patients HTTP/1.1\r\nTransfer-Encoding: x", 501),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 17_000, 431),
    ]:
        answer = exchange(
            server, request.replace(b" HTTP/1.1", b" HTTP/1.1\r\nHost: localhost\r\nConnection: close", 1) + b"\r\n\r\n"
        )
        assert answer.status == status, request[:60]
        for name, value in HEADERS.items():
            said = answer.headers[name.lower()]
            assert said == [value] or (name == "Cache-Control" and said == ["private, no-cache"]), (request[:60], name)
        names = set(answer.headers)
        assert not names & {"server", "via", "x-powered-by", *(name.lower() for name in OVER_TLS)}
        assert not [name for name in names if name.startswith("access-control")]


def test_an_answer_without_a_body_keeps_the_connection(server: Server) -> None:
    tag = server.get("/patients").headers["ETag"].encode()
    request = b"GET /patients HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: " + tag + b"\r\n"
    both = request + b"\r\n" + request + b"Connection: close\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(both)
        assert received(connection).count(b"HTTP/1.1 304 ") == 2


@pytest.fixture
def server(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, sqlite_url) as server:
        yield server


@pytest.fixture(scope="module")
def untouched(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is shared by the tests that change nothing."""
    folder = tmp_path_factory.mktemp("untouched")
    with serving(folder, copy_of(migrated_sqlite, folder)) as server:
        yield server


@pytest.fixture(scope="module")
def quick(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with short deadlines that is shared by the tests of slow clients."""
    folder = tmp_path_factory.mktemp("quick")
    with limited(folder, copy_of(migrated_sqlite, folder), grace=0.3, idle=0.3) as server:
        yield server


def copy_of(file: Path, folder: Path) -> str:
    return f"sqlite:///{shutil.copy(file, folder / 'paymentagg.sqlite')}"


@contextmanager
def limited(folder: Path, database_url: str, **settings: float) -> Iterator[Server]:
    """Run a server with these settings and limits for the block; see ``Limits`` for their units."""
    (folder / "limited.py").write_text(LIMITED)
    text = {name: str(value) for name, value in settings.items()}
    with serving(folder, database_url, None, use="call:limited:main", **text) as server:
        yield server
