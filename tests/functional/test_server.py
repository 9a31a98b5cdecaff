"""Uploads over a real connection: waitress keeps a body in memory or in a file, and the application reads it twice."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import array, gzipped, patient_row

PROJECT = Path(__file__).parents[2]
PSERVE = Path(sys.executable).with_name("pserve")
FEW, MANY = 3, 20_000
"""Patients whose snapshot waitress keeps in memory, and in a file."""


def test_a_body_is_synced_and_recognised_when_it_comes_again(address: str) -> None:
    for rows in (FEW, MANY):
        for compress in (False, True):
            body = array(*(patient_row(f"{number}", firstName=f"{compress}") for number in range(rows)))
            headers = {"Content-Type": "application/json"}
            if compress:
                body, headers = gzipped(body), headers | {"Content-Encoding": "gzip"}
            first = posted(address, body, headers)
            assert first["created"] + first["updated"] == rows
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
def address(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Where a server process of its own listens."""
    ini = tmp_path / "test.ini"
    ini.write_text((PROJECT / "development.ini").read_text().replace("127.0.0.1:6543", "127.0.0.1:0"))
    environment = os.environ | {"PAYMENTAGG_DATABASE_URL": database_url}
    with subprocess.Popen([PSERVE, ini], env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        serving = next(line for line in server.stderr if "Serving on http://" in line)
        yield serving.rpartition("http://")[2].strip()
        server.terminate()
