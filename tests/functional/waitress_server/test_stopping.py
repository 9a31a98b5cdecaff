"""SIGTERM: running requests end or are rolled back, and the server exits."""

import http.client
import signal
import socket
from contextlib import closing
from pathlib import Path

from commits import committing
from server import PATIENCE, Server, ask, serving, until


def test_a_server_with_nothing_to_do_stops_at_once(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url) as server:
        connection = server.connect()
        assert ask(connection, "GET", "/patients").status == 200  # the connection stays open, and idle
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        connection.close()


def test_a_request_that_was_sent_before_the_stop_is_answered(tmp_path: Path, sqlite_url: str) -> None:
    with serving(tmp_path, sqlite_url) as server:
        used, new = server.connect(), server.connect()
        assert ask(used, "GET", "/patients").status == 200
        server.process.send_signal(signal.SIGSTOP)
        for connection in (used, new):
            connection.request("GET", "/patients")
        server.process.terminate()
        server.process.send_signal(signal.SIGCONT)
        assert [connection.getresponse().status for connection in (used, new)] == [200, 200]
        assert server.process.wait(PATIENCE) == 0
        used.close()
        new.close()


def test_a_sync_that_runs_is_answered_before_the_server_stops(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url) as (server, sync, release), closing(server.connect()) as idle:
        idle.connect()
        server.process.terminate()
        until(lambda: is_closed(idle))
        assert is_refused(server)
        assert not sync.done()
        release()
        answer = sync.result(PATIENCE)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert server.process.wait(PATIENCE) == 0
    assert stored(tmp_path, database_url) == 1


def test_a_second_signal_ends_the_server_at_once_and_the_sync_is_rolled_back(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url) as (server, sync, _), closing(server.connect()) as idle:
        idle.connect()
        server.process.terminate()
        until(lambda: is_closed(idle))  # the first signal has taken effect
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert isinstance(sync.exception(PATIENCE), OSError | http.client.HTTPException)
    assert stored(tmp_path, database_url) == 0


def test_a_sync_that_goes_on_for_too_long_is_rolled_back(tmp_path: Path, database_url: str) -> None:
    with committing(tmp_path, database_url, use="call:factory:quick_to_stop") as (server, sync, _):
        server.process.terminate()
        assert server.process.wait(PATIENCE) == 0
        assert isinstance(sync.exception(PATIENCE), OSError | http.client.HTTPException)
    assert any("is rolled back" in line for line in server.log)
    assert stored(tmp_path, database_url) == 0


def stored(folder: Path, database_url: str) -> int:
    """Return the number of patients that a new server finds in the database."""
    with serving(folder, database_url) as server:
        return len(server.get("/patients").json)


def is_closed(connection: http.client.HTTPConnection) -> bool:
    """Return whether the server has closed the connection."""
    assert connection.sock is not None
    connection.sock.settimeout(0.05)
    try:
        return connection.sock.recv(1) == b""
    except TimeoutError:
        return False


def is_refused(server: Server) -> bool:
    """Return whether the server accepts no new connections."""
    host, _, port = server.address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0
