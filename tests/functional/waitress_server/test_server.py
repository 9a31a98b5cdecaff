"""Uploads over a real connection: waitress keeps a body in memory or in a file, and the application reads it twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import array, gzipped, patient_row
from server import PATIENCE, Server, serving

FEW, MANY = 3, 20_000
"""Numbers of patients whose snapshot waitress keeps in memory and in a file."""


def test_a_body_is_synced_and_recognised_when_it_comes_again(server: Server) -> None:
    for rows in (FEW, MANY):
        for compress in (False, True):
            body = array(*(patient_row(f"{number}", firstName=f"{compress}") for number in range(rows)))
            headers = {}
            if compress:
                body, headers = gzipped(body), {"Content_Encoding": "gzip"}
            first = counts(server.post("/patients", body, **headers).json)
            assert first["created"] + first["updated"] == rows
            assert counts(server.post("/patients", body, **headers).json)["unchanged"] == rows
            chunked = server.post("/patients", iter([body[:1000], body[1000:]]), **headers)
            assert counts(chunked.json)["unchanged"] == rows


def test_several_processes_listen_on_one_port(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "1", database_url, reuse_port="true") as first:
        listen = first.address
        with serving(tmp_path / "2", database_url, listen=listen, reuse_port="true") as second:
            assert second.address == listen
            first.process.terminate()
            assert first.process.wait(PATIENCE) == 0
            assert second.get("/patients").status == 200


def counts(answer: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return the part of a report that is about patients."""
    assert "patients" in answer, answer
    return answer["patients"]


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path, database_url) as server:
        yield server
