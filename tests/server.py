"""The server, run as a user runs it: in a process of its own, with a client over real connections."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from configparser import RawConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from canaries import OF_PATIENTS, found
from project import PROJECT

PSERVE = Path(sys.executable).with_name("pserve")
PATIENCE = 60.0
"""Seconds that a test waits for anything before it fails."""


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem."""
        kind: str = self.json["type"]
        return kind.rpartition(":")[2]

    @property
    def next_page(self) -> str | None:
        """The path of the next page, None on the last one."""
        link = re.fullmatch('<http://[^/]+(/[^<>]+)>; rel="next"', self.headers.get("Link", ""))
        return link and link[1]


class Server:
    """A server process. ``log`` has the lines that it wrote to standard error so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._address = ""
        self.log: list[str] = []
        self._serving = Event()
        self._reader = Thread(target=self._read, daemon=True)  # the server would block if the pipe filled up
        self._reader.start()

    @property
    def address(self) -> str:
        """The address that the server listens on; waits until it does."""
        assert self._serving.wait(PATIENCE), self.log
        assert self._address, self.log
        return self._address

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection, for use by one thread only."""
        return http.client.HTTPConnection(self.address, timeout=PATIENCE)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a GET request over a new connection."""
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: bytes | Iterable[bytes], media: str = "application/json", **headers: str) -> Answer:
        """Send a body, chunked unless it is bytes; in the names of headers, ``_`` stands for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body, {"Content-Type": media, **named})

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request over a new connection, which is closed after the response."""
        connection = self.connect()
        try:
            return ask(connection, method, path, body, headers)
        finally:
            connection.close()

    def whole_log(self) -> list[str]:
        """Return the complete log of a server that has exited."""
        self._reader.join(PATIENCE)
        return self.log

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if "Serving on http://" in line:
                self._address = line.rpartition("http://")[2].partition('"')[0].strip()  # in a JSON line, more follows
                self._serving.set()
        self._serving.set()  # the process has exited, and waiting is of no use


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send a request over a connection that stays open, and return the whole response."""
    connection.request(method, path, body, dict(headers or {}), encode_chunked=not isinstance(body, bytes))
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


@contextmanager
def serving(folder: Path, database_url: str, app: Mapping[str, str] | None = None, **settings: str) -> Iterator[Server]:
    """Run a server with development.ini on a free port for the block, then check its log for data of patients.

    Args:
        folder: its ini file is written here, and modules that it names are imported from here.
        app: settings of ``[app:main]`` that replace or extend those of development.ini.
        settings: the same for ``[server:main]``.
    """
    folder.mkdir(exist_ok=True)
    sections = RawConfigParser()
    sections.read(PROJECT / "development.ini")
    sections["app:main"].update(app or {})
    sections["server:main"].update({"listen": "127.0.0.1:0"} | settings)
    ini = folder / "server.ini"
    with ini.open("w") as file:
        sections.write(file)
    environment = {"PAYMENTAGG_DATABASE_URL": database_url, "PYTHONPATH": str(folder)}
    with running([str(ini)], folder, environment) as server:
        yield server


@contextmanager
def running(
    arguments: list[str], folder: Path, environment: Mapping[str, str], script: Path = PSERVE
) -> Iterator[Server]:
    """Run pserve, or another script that serves, in a folder for the block; a test may kill it before.

    Then check its log for data of patients.
    """
    command, variables = [str(script), *arguments], os.environ | environment
    with subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True) as process:
        server = Server(process)
        try:
            yield server
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert found("".join(server.whole_log()), OF_PATIENTS) == []


def until(is_so: Callable[[], bool]) -> None:
    """Poll until the condition is true; fail after ``PATIENCE``."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "the condition never became true"


def spooled(server: Server) -> int:
    """Return the bytes in the deleted files that the server has open, which are those of bodies."""
    size = 0
    for file in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            size += file.stat().st_size if "(deleted)" in str(file.readlink()) else 0
    return size
