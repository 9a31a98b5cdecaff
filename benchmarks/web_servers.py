"""The web servers whose reads are measured: each is a process on a free port of 127.0.0.1."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from contenders import BENCHMARKS, PROGRAMS, SCRIPTS
from measure import Sample

INI = BENCHMARKS.parent / "production.ini"
TIMEOUT = 60.0
"""Seconds to wait for a server to start, or for a response."""

BY_TOTAL = """
    SELECT patients.id, external_id, first_name, last_name, middle_name, date_of_birth, created, updated,
        total_cents / 100.0 AS total, payment_count
    FROM payment_totals JOIN patients ON patients.id = payment_totals.patient_id
    WHERE total_cents BETWEEN CAST(:minimum AS INTEGER) AND CAST(:maximum AS INTEGER)
    ORDER BY patients.id LIMIT 100
"""


class WebServerFailed(Exception):
    """A server exited, didn't respond in time, or responded with an error."""


class WebServer:
    """A running server. ``process`` is its process id."""

    def __init__(self, port: int, process: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.process = process

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[http.client.HTTPMessage, bytes]:
        """Return the headers and the body of a successful response.

        Raises:
            WebServerFailed: the status is 400 or higher.
        """
        connection = http.client.HTTPConnection(urlsplit(self.root).netloc, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read()
            if response.status >= 400:
                raise WebServerFailed(f"{path}: {response.status} {body[:500]!r}")
            return response.headers, body
        finally:
            connection.close()

    def post(self, path: str, file: Path) -> Sample:
        """Send a file of JSON, as curl does from a file; return the seconds from connecting to the end of the response.

        Raises:
            WebServerFailed: the status isn't 200.
        """
        begun = time.perf_counter()
        connection = http.client.HTTPConnection(urlsplit(self.root).netloc, timeout=TIMEOUT, blocksize=1 << 16)
        try:
            with file.open("rb") as body:
                headers = {"Content-Type": "application/json", "Content-Length": str(file.stat().st_size)}
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                answer = response.read()
            seconds = time.perf_counter() - begun
        finally:
            connection.close()
        if response.status != 200:
            raise WebServerFailed(f"{path}: {response.status} {answer[:500]!r}")
        return {"seconds": seconds}

    def load(self, path: str, seconds: float, *options: str) -> Sample:
        """Request a path for some seconds over eight connections; return the metrics that load.py prints."""
        with self.loading(path, seconds, *options) as process:
            return load_metrics(process)

    @contextlib.contextmanager
    def loading(self, path: str, seconds: float, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Start load.py; terminate it when the block ends."""
        command: list[str | Path] = [
            sys.executable,
            PROGRAMS / "load.py",
            self.root + path,
            "--seconds",
            str(seconds),
            *options,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process, _terminated(process):
            yield process


def load_metrics(process: subprocess.Popen[str]) -> Sample:
    """Wait until load.py ends; return its metrics.

    Raises:
        WebServerFailed: it exited with an error.
    """
    out, err = process.communicate(timeout=660)
    if process.returncode != 0:
        raise WebServerFailed(err.strip())
    values: Sample = json.loads(out)
    return values


@contextlib.contextmanager
def paymentagg(
    folder: Path, url: str, access: str = "local", *, audited: bool = True, processes: int = 1
) -> Iterator[WebServer]:
    """Start pserve with production.ini on another port.

    Args:
        folder: where its ini file and its logs are written.
        url: the URL of the database.
        access: ``keys`` if API keys are required, ``local`` if not.
        audited: whether it writes an audit log.
        processes: how many processes listen on the port; ``process`` is that of the first.
    """
    port = free_port()
    ini = folder / f"{port}.ini"
    listen = f"listen = 127.0.0.1:{port}\nreuse_port = {str(processes > 1).lower()}"
    ini.write_text(re.sub(r"(?m)^listen = .*$", listen, INI.read_text()))
    environment = {"PAYMENTAGG_DATABASE_URL": url, "PAYMENTAGG_ACCESS": access}
    if not audited:
        environment["PAYMENTAGG_AUDIT_FILE"] = ""
    command = [SCRIPTS / "pserve", ini]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(_started(port, command, folder, environment, number, "Serving on"))
            for number in range(processes)
        ]
        yield servers[0]


@contextlib.contextmanager
def constant_view(folder: Path) -> Iterator[WebServer]:
    """Start the upper bound for reads."""
    port = free_port()
    with _started(port, [sys.executable, PROGRAMS / "constant_view.py", str(port), INI], folder) as server:
        yield server


@contextlib.contextmanager
def datasette(folder: Path, file: Path, rivals: Path) -> Iterator[WebServer]:
    """Start Datasette, configured for speed: an immutable file, no counts, no facets, and a canned query."""
    copy = folder / "datasette.sqlite"
    shutil.copy(file, copy)
    connection = sqlite3.connect(copy)
    connection.execute("PRAGMA journal_mode = DELETE")  # a file in WAL mode isn't immutable
    connection.execute("ANALYZE")
    connection.close()
    metadata = folder / "datasette.json"
    metadata.write_text(json.dumps({"databases": {"datasette": {"queries": {"by_total": {"sql": BY_TOTAL}}}}}))
    settings = {"allow_facet": "off", "suggest_facets": "off", "default_facet_size": "1", "num_sql_threads": "8"}
    flags = [word for name, value in settings.items() for word in ("--setting", name, value)]
    port = free_port()
    command: list[str | Path] = [rivals / "datasette", "serve", "-i", copy, "-m", metadata, "-p", str(port), *flags]
    with _started(port, command, folder) as server:
        yield server


def datasette_path(low: int, high: int) -> str:
    """Return Datasette's path for the patients whose total is in a range of cents."""
    return f"/datasette/by_total.json?{urlencode({'minimum': low, 'maximum': high, '_shape': 'array'})}"


@contextlib.contextmanager
def _started(
    port: int,
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    number: int = 0,
    announcement: str = "",
) -> Iterator[WebServer]:
    """Start a server and wait until it listens; terminate it when the block ends.

    Args:
        port: where it listens.
        command: the command that starts it.
        folder: its working directory, where its log is written.
        environment: variables to add.
        number: tells apart the logs of processes that listen on the same port.
        announcement: what it logs when it listens; if empty, wait until a connection to the port succeeds.

    Raises:
        WebServerFailed: it exited, or didn't listen in time; the message ends with its log.
    """
    log = folder / f"{port}-{number}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=os.environ | dict(environment or {}), cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )
    with process, _terminated(process):
        deadline = time.monotonic() + TIMEOUT
        while not (announcement in log.read_text() if announcement else _is_listening(port)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise WebServerFailed(f"{command[0]}: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield WebServer(port, process.pid)


@contextlib.contextmanager
def _terminated(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    """Terminate the process when the block ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
