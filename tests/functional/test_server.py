"""Uploads over a real connection: waitress keeps a body in memory or in a file, and the application reads it twice."""

import http.client
import json
import threading
from collections.abc import Iterator

import pytest
from waitress.server import create_server

from builders import array, gzipped, patient_row
from paymentagg.app import main

FEW, MANY = 3, 20_000
"""Patients whose snapshot waitress keeps in memory, and in a file."""


@pytest.mark.parametrize("rows", [FEW, MANY])
@pytest.mark.parametrize("compress", [False, True])
def test_a_body_is_synced_and_recognised_when_it_comes_again(address: str, rows: int, compress: bool) -> None:
    body = array(*(patient_row(f"{number}") for number in range(rows)))
    headers = {"Content-Type": "application/json"}
    if compress:
        body, headers = gzipped(body), headers | {"Content-Encoding": "gzip"}
    assert posted(address, body, headers)["created"] == rows
    assert posted(address, body, headers)["unchanged"] == rows
    assert posted(address, body, headers, chunked=True)["unchanged"] == rows


def posted(address: str, body: bytes, headers: dict[str, str], *, chunked: bool = False) -> dict[str, int]:
    connection = http.client.HTTPConnection(address)
    content = iter([body[:1000], body[1000:]]) if chunked else body
    connection.request("POST", "/patients", content, headers, encode_chunked=chunked)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert "patients" in answer, answer
    counts: dict[str, int] = answer["patients"]
    return counts


@pytest.fixture
def address(database_url: str) -> Iterator[str]:
    server = create_server(main({}, **{"sqlalchemy.url": database_url}), listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(server.close)
    thread.join(10)
