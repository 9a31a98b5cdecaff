"""Proxies: whose forwarding headers are used, and none without keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from builders import array, patient_row
from keyring import Keyring
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http.security_headers import OVER_TLS
from server import Server, serving

FORGED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Host": "evil.example.org",
    "X-Forwarded-Proto": "https",
    "Forwarded": "for=203.0.113.7;host=evil.example.org;proto=https",
}
PATIENTS = array(patient_row("1"), patient_row("2"))


@pytest.mark.parametrize(
    "header",
    [*FORGED.items(), ("X-Forwarded-Server", "proxy"), ("X-Forwarded-Port", "443"), ("Via", "1.1 proxy")],
    ids=lambda header: header[0],
)
def test_without_keys_what_comes_through_a_proxy_is_refused(
    tmp_path: Path, sqlite_url: str, header: tuple[str, str]
) -> None:
    with serving(tmp_path, sqlite_url) as server:
        refused = server.get("/patients", dict([header]))
        assert (refused.status, refused.code) == (403, "forbidden")
        assert "paymentagg.access = keys" in refused.json["detail"]
        assert server.get("/patients").status == 200


def test_forwarded_headers_of_an_untrusted_client_are_ignored(tmp_path: Path, sqlite_url: str) -> None:
    with with_keys(tmp_path, sqlite_url) as (server, key):
        answer = server.get("/patients?limit=1", {**FORGED, **key})
        assert answer.headers["Link"].startswith(f"<http://{server.address}/")
        assert not any(name in answer.headers for name in OVER_TLS)


def test_forwarded_headers_of_a_trusted_proxy_are_used(tmp_path: Path, sqlite_url: str) -> None:
    named = {"X-Forwarded-Host": "pay.example.org", "X-Forwarded-Proto": "https"}
    with with_keys(tmp_path, sqlite_url, trusted_proxy="127.0.0.1") as (server, key):
        answer = server.get("/patients?limit=1", {**named, **key, "X-Forwarded-For": "127.0.0.9"})
        assert answer.headers["Link"].startswith("<https://pay.example.org/patients?")
        assert answer.headers["Strict-Transport-Security"] == OVER_TLS["Strict-Transport-Security"]
        for _ in range(20):
            assert server.get("/patients", {**named, "Authorization": "Bearer pagg_x", **FORGED}).status == 401
        assert server.get("/patients", {**named, "Authorization": "Bearer pagg_x", **FORGED}).status == 429
        other = {**FORGED, "X-Forwarded-For": "203.0.113.7, 203.0.113.8"}  # the proxy adds the last one
        assert server.get("/patients", {**named, "Authorization": "Bearer pagg_x", **other}).status == 401


def test_a_trusted_proxy_may_open_more_connections_than_others(tmp_path: Path, sqlite_url: str) -> None:
    with with_keys(tmp_path, sqlite_url, trusted_proxy="127.0.0.1") as (server, key):
        connections = [server.connect() for _ in range(250)]
        for connection in connections:
            connection.connect()
        assert server.get("/patients", key).status == 200
        connections[0].request("GET", "/health/live")
        assert connections[0].getresponse().status == 200
        for connection in connections:
            connection.close()


@contextmanager
def with_keys(folder: Path, database_url: str, **settings: str) -> Iterator[tuple[Server, dict[str, str]]]:
    """Run a server that requires keys and has two patients; yield it and the header of a key that may read."""
    keys = Keyring(database_url)
    app = {"paymentagg.access": "keys", "paymentagg.hosts": "pay.example.org evil.example.org 127.0.0.1"}
    with serving(folder, database_url, app, **settings) as server:
        admin = {"Authorization": f"Bearer {keys.key(Role.ADMIN)}"}
        assert server.post("/patients", PATIENTS, **admin).status == 200
        yield server, admin
