"""Requests with bodies: what can be refused without the body is refused before it is received."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import array, patient_row
from functional.waitress_server.raw_http import Exchanged, connected, received
from keyring import Keyring
from paymentagg.domain.access import Role
from server import Server, serving, spooled, until

A_PATIENT = array(patient_row())
JSON = "Content-Type: application/json"
HUGE = f"Content-Length: {4_000_000_000}"


@pytest.fixture
def keys(database_url: str) -> Keyring:
    return Keyring(database_url)


@pytest.fixture
def server(database_url: str, tmp_path: Path, keys: Keyring) -> Iterator[Server]:
    _ = keys  # creates the tables
    with serving(tmp_path, database_url, {"paymentagg.access": "keys"}) as server:
        yield server


def head(first: str, *headers: str) -> bytes:
    return "\r\n".join([f"{first} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


@pytest.mark.parametrize("length", [HUGE, "Transfer-Encoding: chunked"])
def test_a_body_is_refused_before_it_is_sent(server: Server, keys: Keyring, length: str) -> None:
    syncer, reader = bearer(keys.key(Role.SYNCER)), bearer(keys.key(Role.READER))
    for first, headers, status, code in [
        ("POST /patients", [JSON], 401, "unauthorized"),
        ("POST /nothing", [JSON], 401, "unauthorized"),
        ("POST /patients", [JSON, bearer("pagg_wrong")], 401, "unauthorized"),
        ("POST /patients", [JSON, reader], 403, "forbidden"),
        ("POST /nothing", [JSON, syncer], 404, "not-found"),
        ("PUT /patients", [JSON, syncer], 405, "method-not-allowed"),
        ("POST /patients", ["Content-Type: text/xml", syncer], 415, "unsupported-media-type"),
        ("POST /snapshot", [JSON, syncer], 415, "unsupported-media-type"),
        ("POST /patients", [JSON, "Content-Encoding: br", syncer], 415, "unsupported-encoding"),
        ("POST /patients?dry_run=", [JSON, syncer], 400, "invalid-parameter"),
        ("GET /patients", [reader], 400, "invalid-parameter"),
        ("GET /health/live", [], 400, "invalid-parameter"),
        ("POST /health/live", [], 405, "method-not-allowed"),
    ]:
        with connected(server) as connection:
            connection.sendall(head(first, length, "Expect: 100-continue", *headers))
            answer = Exchanged(received(connection))
        assert answer.status == status, (first, headers)
        assert f'"type":"urn:paymentagg:problem:{code}"'.encode() in answer.body, (first, headers)
        assert answer.headers["connection"] == ["close"]


def test_a_client_with_a_key_is_told_to_send_its_body(server: Server, keys: Keyring) -> None:
    length = f"Content-Length: {len(A_PATIENT)}"
    with connected(server) as connection:
        key = bearer(keys.key(Role.SYNCER))
        connection.sendall(head("POST /patients", JSON, length, "Expect: 100-continue", "Connection: close", key))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(A_PATIENT)
        answer = Exchanged(received(connection))
    assert (answer.status, b'"created":1' in answer.body) == (200, True)


def test_nothing_of_an_anonymous_body_is_kept(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(head("POST /patients", JSON, HUGE) + b"[" * 4_000_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")  # a client that is still sending gets its response
        connection.sendall(b"[" * 4_000_000)
        assert spooled(server) == 0
    until(lambda: open_sockets(server) == 1)  # only the listening socket


def test_a_client_that_sends_everything_first_gets_its_refusal(server: Server) -> None:
    answer = server.post("/patients", b"[" * 20_000_000, Authorization="Bearer pagg_wrong")
    assert (answer.status, answer.code) == (401, "unauthorized")


def test_requests_that_arrive_together_are_answered_in_order(server: Server, keys: Keyring) -> None:
    syncer, reader = bearer(keys.key(Role.SYNCER)), bearer(keys.key(Role.READER))
    posts = [
        head("POST /patients", JSON, syncer, f"Content-Length: {len(body)}") + body
        for body in (
            array(patient_row("1")),
            array(patient_row("1"), patient_row("2")),
            array(patient_row("1")) + b" " * 100_000,
        )
    ]
    get = head("GET /patients?limit=1", reader)
    last = head("GET /payments", reader, "Connection: close")
    with connected(server) as connection:
        connection.sendall(posts[0] + get + posts[1] + posts[2] + last)
        whole = received(connection)
    assert whole.count(b"HTTP/1.1 200 ") == 5
    assert [part.split(b",")[0] for part in whole.split(b'"created":')[1:] if part[:1].isdigit()] == [b"1", b"1", b"0"]


@pytest.mark.parametrize("size", [1, 10, 100])
def test_a_request_is_understood_however_it_is_cut(server: Server, keys: Keyring, size: int) -> None:
    key = bearer(keys.key(Role.SYNCER))
    wire = head("POST /patients", JSON, key, "Transfer-Encoding: chunked", "Connection: close")
    wire += b"%x\r\n%s\r\n0\r\n\r\n" % (len(A_PATIENT), A_PATIENT)
    with connected(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(wire), size):
            connection.sendall(wire[start : start + size])
        answer = Exchanged(received(connection))
    assert (answer.status, b'"rows":1' in answer.body) == (200, True)


def test_a_client_that_leaves_during_its_upload_gives_its_space_back(server: Server, keys: Keyring) -> None:
    key = bearer(keys.key(Role.SYNCER))
    with connected(server) as connection:
        connection.sendall(head("POST /patients", JSON, HUGE, key) + b"[" + b" " * 3_000_000)
        until(lambda: spooled(server) > 0)
    until(lambda: spooled(server) == 0)
    assert server.get("/health/live").status == 200


def test_the_line_of_a_request_with_a_body_is_written_once(database_url: str, tmp_path: Path, keys: Keyring) -> None:
    audit = tmp_path / "audit.jsonl"
    settings = {"paymentagg.access": "keys", "paymentagg.audit_file": str(audit)}
    with serving(tmp_path, database_url, settings) as server:
        server.post("/patients", A_PATIENT, Authorization=f"Bearer {keys.key(Role.SYNCER)}")
        server.post("/patients", A_PATIENT, Authorization=f"Bearer {keys.key(Role.READER)}")
    lines = audit.read_text().splitlines()
    assert [line.partition('"outcome":"')[2].partition('"')[0] for line in lines] == ["begun", "ok", "refused"]


def open_sockets(server: Server) -> int:
    """Return the number of TCP sockets on the server's port that are its own."""
    port = int(server.address.rpartition(":")[2])
    lines = Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
    own = {str(file.readlink()) for file in Path(f"/proc/{server.process.pid}/fd").iterdir()}
    fields = [line.split() for line in lines]
    return sum(f"socket:[{each[9]}]" in own and int(each[1].rpartition(":")[2], 16) == port for each in fields)
