"""paymentagg-serve, run in a process of its own."""

import signal
import socket
from pathlib import Path

import pytest

from command import SERVE_SCRIPT, Command
from project import PROJECT
from server import running

FREE = ["--listen", "127.0.0.1:0"]
APP = "[app:main]\nuse = egg:paymentagg\nsqlalchemy.url = sqlite:///%(here)s/own.sqlite\n"
SERVER = "[server:main]\nuse = egg:paymentagg\n"


@pytest.fixture
def serve(tmp_path: Path) -> Command:
    return Command(tmp_path, None, SERVE_SCRIPT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_an_ini_file_it_serves_a_new_database_until_a_signal(serve: Command, number: signal.Signals) -> None:
    with running(FREE, serve.folder, {}, SERVE_SCRIPT) as server:
        assert server.get("/patients").json == []
        assert server.get("/ui").status == 200
        server.process.send_signal(number)
        assert server.process.wait(60) == 0
    assert (serve.folder / "paymentagg.sqlite").is_file()


def test_the_ini_file_of_the_folder_is_used_and_listen_replaces_its_address(serve: Command) -> None:
    ini = (PROJECT / "development.ini").read_text().replace("paymentagg.sqlite", "own.sqlite")
    serve.write("development.ini", ini.replace("listen = 127.0.0.1:6543", "unix_socket = %(here)s/socket"))
    with running(FREE, serve.folder, {}, SERVE_SCRIPT) as server:
        assert server.get("/patients").json == []
    assert {file.name for file in serve.folder.iterdir()} >= {"development.ini", "own.sqlite"}
    assert not (serve.folder / "socket").exists()


@pytest.mark.parametrize(
    ("ini", "arguments", "message"),
    [
        (APP + SERVER, ["--listen", "6543"], "argument --listen: must be HOST:PORT"),
        (APP + SERVER, ["--listen", "0.0.0.0:0"], "listen: other machines can reach 0.0.0.0"),
        (APP + SERVER + "threats = 4", FREE, "threats: is not a setting of [server:main]"),
        (APP + "paymentagg.acess = keys\n" + SERVER, FREE, "paymentagg.acess: is not a setting"),
        (APP, FREE, "its [server:main] must have use = egg:paymentagg"),
        (APP + SERVER.replace("paymentagg", "waitress"), FREE, "its [server:main] must have use = egg:paymentagg"),
        (APP + SERVER + "[loggers]\nkeys = root\n", FREE, "its settings of logging can't be used"),
        (SERVER, FREE, "is not a Pyramid ini file"),
        (APP + SERVER, ["-c", "other.ini"], "other.ini does not exist"),
    ],
)
def test_wrong_options_and_settings_are_one_line_and_status_2(
    serve: Command, ini: str, arguments: list[str], message: str
) -> None:
    serve.write("own.ini", ini)
    done = serve.run("-c", "own.ini", *arguments)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_an_address_that_is_taken_is_status_2(serve: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = serve.run("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 2
    assert b"error: listen: can't listen there" in done.stderr


def test_a_database_that_cannot_be_created_is_status_6(serve: Command) -> None:
    done = serve.run(*FREE, PAYMENTAGG_DATABASE_URL="sqlite:///missing/own.sqlite")
    assert done.returncode == 6
    assert b"paymentagg-serve: error: " in done.stderr
