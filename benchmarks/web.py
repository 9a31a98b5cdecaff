"""The web servers that are read from: each a process of its own on a free port of 127.0.0.1."""

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

from sides import HERE, PROGRAMS

INI = HERE.parent / "production.ini"
PATIENCE = 60.0

BY_TOTAL = """
    SELECT patients.id, external_id, first_name, last_name, middle_name, date_of_birth, created, updated,
        total_cents / 100.0 AS total, payment_count
    FROM payment_totals JOIN patients ON patients.id = payment_totals.patient_id
    WHERE total_cents BETWEEN CAST(:minimum AS INTEGER) AND CAST(:maximum AS INTEGER)
    ORDER BY patients.id LIMIT 100
"""


class Unready(Exception):
    """A server ended, or didn't answer in time."""


class Website:
    """A server that answers."""

    def __init__(self, port: int, process: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.process = process

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[http.client.HTTPMessage, bytes]:
        """Return the head and the body of a good answer."""
        connection = http.client.HTTPConnection(urlsplit(self.root).netloc, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            body = response.read()
            if response.status >= 400:
                raise Unready(f"{path}: {response.status} {body[:500]!r}")
            return response.headers, body
        finally:
            connection.close()

    def load(self, path: str, seconds: float, *options: str) -> dict[str, float]:
        """Ask for a path for some seconds over eight connections; return what was found."""
        with self.loading(path, seconds, *options) as process:
            return found(process)

    @contextlib.contextmanager
    def loading(self, path: str, seconds: float, *options: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, HERE / "load.py", self.root + path, "--seconds", str(seconds), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process, _stopped(process):
            yield process


def found(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a load to end and return what it found."""
    out, err = process.communicate(timeout=660)
    if process.returncode != 0:
        raise Unready(err.strip())
    values: dict[str, float] = json.loads(out)
    return values


@contextlib.contextmanager
def paymentagg(folder: Path, url: str, access: str = "local") -> Iterator[Website]:
    """pserve with production.ini, on another port; without keys, unless they are asked for."""
    port = free_port()
    ini = folder / f"{port}.ini"
    text = INI.read_text()
    ini.write_text(re.sub(r"(?m)^listen = .*$", f"listen = 127.0.0.1:{port}", text))
    environment = {"PAYMENTAGG_DATABASE_URL": url, "PAYMENTAGG_ACCESS": access}
    with _served(port, [PROGRAMS / "pserve", ini], folder, environment) as site:
        yield site


@contextlib.contextmanager
def constant_view(folder: Path) -> Iterator[Website]:
    port = free_port()
    with _served(port, [sys.executable, HERE / "constant_view.py", str(port), INI], folder) as site:
        yield site


@contextlib.contextmanager
def datasette(folder: Path, file: Path, rivals: Path) -> Iterator[Website]:
    """Datasette at its best: immutable, nothing counted, no facets, the statement as a canned query."""
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
    command = [rivals / "datasette", "serve", "-i", copy, "-m", metadata, "-p", str(port), *flags]
    with _served(port, command, folder) as site:
        yield site


def datasette_path(low: int, high: int) -> str:
    """Return where Datasette has the patients whose total is in a range of cents."""
    return f"/datasette/by_total.json?{urlencode({'minimum': low, 'maximum': high, '_shape': 'array'})}"


@contextlib.contextmanager
def _served(
    port: int, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Website]:
    log = folder / f"{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=os.environ | dict(environment or {}), cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )
    with process, _stopped(process):
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unready(f"{command[0]}: {log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield Website(port, process.pid)


@contextlib.contextmanager
def _stopped(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process when the block is left."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
