"""Paths as they are sent: empty segments match nothing, and percent-encoded slashes belong to an id."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import array, patient_row
from server import Server, serving

IDS = ["/", "a//b", "//"]


@pytest.mark.parametrize(
    "path",
    [
        "//patients",
        "///patients",
        "//patients?limit=1",
        "/patients//",
        "/patients//5",
        "/patients/5//",
        "//health/live",
    ],
)
def test_a_path_with_an_empty_segment_is_not_found(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.code) == (404, "not-found")


def test_an_id_may_hold_encoded_slashes_in_a_row(server: Server) -> None:
    paths = ["/patients/%2F", "/patients/a%2F%2fb", "/patients/%2F%2F"]
    assert [server.get(path).json["externalId"] for path in paths] == IDS


def test_slashes_in_the_query_and_a_whole_url_are_no_empty_segments(server: Server) -> None:
    assert server.get("/payments?external_id=//").status == 200
    assert server.get(f"http://{server.address}/patients").status == 200


@pytest.fixture(scope="module")
def server(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has patients with these ids, on each engine."""
    folder: Path = tmp_path_factory.mktemp("server")
    with serving(folder, shared_database_url) as server:
        assert server.post("/patients?max_delete=100%25", array(*map(patient_row, IDS))).status == 200
        yield server
