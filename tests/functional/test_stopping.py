"""SIGTERM while requests run: they end, or are rolled back, and the server is gone."""

import http.client
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from builders import array, patient_row
from server import PATIENCE, Answer, Server, ask, serving, until

FACTORY = """
from sqlalchemy import Engine, event
from paymentagg import app
from paymentagg.entrypoints.server import Limits, serve

def main(global_config, **settings):
    made = app.main(global_config, **settings)
    event.listen(Engine, "commit", lambda connection: open("commit", "rb").read())
    return made

def hasty(global_conf, **settings):
    return lambda app: serve(app, settings, Limits(drain=0.1))
"""
"""An application whose COMMIT waits for somebody to open and close the pipe ``commit`` in the server's folder."""


def test_a_server_with_nothing_to_do_stops_at_once(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url) as server:
        connection = server.connect()
        assert ask(connection, "GET", "/patients").status == 200  # it is kept, and idle
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        connection.close()


def test_a_sync_that_runs_is_answered_before_the_server_stops(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url) as (server, sync, go_on), closing(server.connect()) as idle:
        idle.connect()
        server.process.terminate()
        until(lambda: is_closed(idle))
        assert is_refused(server)
        assert not sync.done()
        go_on()
        answer = sync.result(PATIENCE)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert server.process.wait(PATIENCE) == 0
    assert stored(tmp_path, database_url) == 1


def test_a_second_signal_ends_the_server_at_once_and_the_sync_is_rolled_back(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url) as (server, sync, _), closing(server.connect()) as idle:
        idle.connect()
        server.process.terminate()
        until(lambda: is_closed(idle))  # the first one has been obeyed
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert isinstance(sync.exception(PATIENCE), OSError | http.client.HTTPException)
    assert stored(tmp_path, database_url) == 0


def test_a_sync_that_goes_on_for_too_long_is_rolled_back(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url, use="call:factory:hasty") as (server, sync, _):
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert isinstance(sync.exception(PATIENCE), OSError | http.client.HTTPException)
    assert any("is rolled back" in line for line in server.log)
    assert stored(tmp_path, database_url) == 0


@contextmanager
def committing(
    folder: Path, database_url: str, **settings: str
) -> Iterator[tuple[Server, Future[Answer], Callable[[], None]]]:
    """Lend a server in which a sync is about to commit, its answer to come, and what lets it commit."""
    (folder / "factory.py").write_text(FACTORY)
    os.mkfifo(folder / "commit")
    with (
        serving(folder, database_url, {"use": "call:factory:main"}, **settings) as server,
        ThreadPoolExecutor() as pool,
    ):
        sync = pool.submit(server.post, "/patients", array(patient_row()))
        with (folder / "commit").open("wb") as gate:  # waits until the server has come to the commit
            yield server, sync, gate.close


def stored(folder: Path, database_url: str) -> int:
    """Return how many patients a server finds that is started anew."""
    with serving(folder, database_url) as server:
        return len(server.get("/patients").json)


def is_closed(connection: http.client.HTTPConnection) -> bool:
    assert connection.sock is not None
    connection.sock.settimeout(0.05)
    try:
        return connection.sock.recv(1) == b""
    except TimeoutError:
        return False


def is_refused(server: Server) -> bool:
    host, _, port = server.address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server's current folder be the test's own."""
    monkeypatch.chdir(tmp_path)
