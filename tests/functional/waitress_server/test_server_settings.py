"""Settings of [server:main]: wrong ones stop the start."""

import socket
import subprocess
from pathlib import Path

import pytest
from pyramid.paster import get_app
from pyramid.router import Router

from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints import safe_traceback
from paymentagg.entrypoints.waitress_server.limits import Limits
from paymentagg.entrypoints.waitress_server.server import serve
from project import PROJECT
from server import PSERVE, serving


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "127.0.0.1:0 0.0.0.0:0", "*:0", "[::]:0"])
def test_without_keys_only_this_machine_is_listened_to(local: Router, listen: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^listen: .*paymentagg\.access = keys.*paymentagg-keys"):
        serve(local, {"listen": listen}, Limits())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trusted_proxy": "*"}, "trusted_proxy: must be the address of one proxy"),
        ({"expose_tracebacks": "true"}, "expose_tracebacks: is not a setting"),
        ({"connection_limit": "5"}, "connection_limit: is not a setting"),
        ({"listen": "nowhere:x"}, r"\[server:main\]: Invalid host/port"),
        ({"threads": "many"}, r"\[server:main\]: "),
        ({"trusted_proxy": "127.0.0.1"}, "trusted_proxy: .*paymentagg.access = keys"),
        ({"trusted_proxy_count": "2"}, r"\[server:main\]: trusted_proxy_count has no meaning"),
    ],
)
def test_a_setting_that_is_wrong_is_named(local: Router, settings: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{words}"):
        serve(local, settings, Limits())


def test_the_message_is_the_last_line_of_a_server_that_does_not_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for listen, words in [
            ("0.0.0.0:0", "other machines can reach 0.0.0.0"),
            (f"127.0.0.1:{taken.getsockname()[1]}", "listen: can't listen there: Address already in use"),
        ]:
            ini = tmp_path / "wrong.ini"
            text = (PROJECT / "development.ini").read_text()
            ini.write_text(text.replace("listen = 127.0.0.1:6543", f"listen = {listen}"))
            started = subprocess.run([PSERVE, ini], capture_output=True, text=True, check=False, timeout=60)
            assert started.returncode == 1
            assert words in started.stderr.splitlines()[-1]
            assert started.stderr.splitlines()[-1].startswith("pserve: error: listen: ")
            assert started.stderr.count("\n") == 2, "pserve has said that it starts"


def test_a_server_whose_application_has_a_wrong_setting_says_so_in_one_line(tmp_path: Path) -> None:
    ini = tmp_path / "wrong.ini"
    text = (PROJECT / "development.ini").read_text()
    ini.write_text(text.replace("[server:main]", "paymentagg.max_delet = 5\n[server:main]"))
    started = subprocess.run([PSERVE, ini], capture_output=True, text=True, check=False, timeout=60)
    assert started.returncode == 1
    assert started.stderr.startswith("pserve: error: paymentagg.max_delet: ")
    assert started.stderr.count("\n") == 1


def test_an_unexpected_error_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        safe_traceback._print_error(type(error), error, error.__traceback__)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_socket_of_this_machine_is_listened_to_without_keys(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "http"
    with (
        serving(tmp_path, sqlite_url, listen="", unix_socket=str(path)) as server,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        assert server.address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        connection.connect(str(path))
        connection.sendall(b"GET /patients HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b"[]")


@pytest.fixture
def local(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Router:
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", sqlite_url)
    return get_app(str(PROJECT / "development.ini"))
