"""Where the response of an export ends, over HTTP/1.0 and 1.1."""

import io
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from api import XLSX
from builders import array, patient_row
from functional.waitress_server.raw_http import exchange
from server import Server, serving


def test_an_export_whose_end_the_client_could_not_recognise_is_refused(server: Server) -> None:
    answer = exchange(server, b"GET /patients HTTP/1.0\r\nAccept: text/csv\r\n\r\n")
    assert answer.status == 505
    assert b"proxy_http_version 1.1" in answer.body


def test_a_spreadsheet_has_a_length_so_it_is_sent_over_http_1_0_too(server: Server) -> None:
    server.post("/patients", array(patient_row()))
    for version in (b"1.0", b"1.1"):
        head = (
            b" HTTP/" + version + b"\r\nHost: localhost\r\nConnection: close\r\nAccept: " + XLSX.encode() + b"\r\n\r\n"
        )
        answer = exchange(server, b"GET /patients" + head)
        assert answer.status == 200
        assert answer.headers["content-length"] == [str(len(answer.body))]
        assert "transfer-encoding" not in answer.headers
        assert ZipFile(io.BytesIO(answer.body)).testzip() is None


@pytest.mark.parametrize("media", ["text/csv", "application/x-ndjson", XLSX])
def test_head_of_an_export_is_followed_by_nothing(server: Server, media: str) -> None:
    head = f"HEAD /patients HTTP/1.1\r\nHost: localhost\r\nAccept: {media}\r\n\r\n".encode()
    assert exchange(server, head).body == b""


@pytest.fixture
def server(sqlite_url: str, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, sqlite_url) as server:
        yield server
