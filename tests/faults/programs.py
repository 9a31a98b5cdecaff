"""The server and the console script, as processes that sync a given state and can be sent signals meanwhile."""

import http.client
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from api import MULTIPART
from command import SCRIPT, Command
from faults import signalling_app
from faults.states import ALLOW_ALL_DELETIONS, State
from server import Server, serving


@dataclass(frozen=True)
class Outcome:
    """The result of a sync as its client sees it.

    ``status`` is the HTTP or exit status, None if there was no response or a signal ended the process; ``message`` is
    the response's body, or standard error.
    """

    is_done: bool
    status: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Attempt:
    """A running sync: the process that does it, and its future outcome."""

    process: "subprocess.Popen[Any]"
    outcome: Future[Outcome]


Begin = Callable[[State], Attempt]


class Program(Protocol):
    """A program that syncs."""

    request_file: Path
    """Where ``request_signal`` writes."""

    @contextmanager
    def started(self) -> Iterator[Begin]:
        """Yield a function that begins a sync and returns as soon as it is running."""


class ConsoleProgram:
    """paymentagg-sync: one process for each sync."""

    def __init__(self, folder: Path, url: str) -> None:
        self.request_file = with_signalling_app(folder)
        self._command = Command(folder, url)
        app = f"use = {signalling_app.FACTORY}\nrequest_file = {self.request_file}\n"
        self._command.write("console.ini", f"[app:main]\n{app}")

    @contextmanager
    def started(self) -> Iterator[Begin]:
        with ThreadPoolExecutor() as pool:
            yield lambda state: self._begin(state, pool)

    def _begin(self, state: State, pool: ThreadPoolExecutor) -> Attempt:
        files = [f"--{name}={self._command.write(name, rows)}" for name, rows in state.snapshots.items()]
        process = subprocess.Popen(
            [SCRIPT, "-c", "console.ini", *files, "--max-delete", "100%", "-v", "3", "--no-progress"],
            cwd=self._command.folder,
            env=self._command.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("waiting for the lock"):
                break
        return Attempt(process, pool.submit(self._outcome, process))

    @staticmethod
    def _outcome(process: "subprocess.Popen[str]") -> Outcome:
        assert process.stderr is not None
        message = process.stderr.read()
        process.stderr.close()
        status = process.wait()
        return Outcome(status in (0, 3), status if status >= 0 else None, message)


class ServerProgram:
    """The server: one process for many syncs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.request_file = with_signalling_app(folder)
        self._folder = folder
        self._url = url

    @contextmanager
    def started(self) -> Iterator[Begin]:
        settings = {"use": signalling_app.FACTORY, "request_file": str(self.request_file)}
        with serving(self._folder, self._url, settings) as server, ThreadPoolExecutor() as pool:
            assert server.get("/patients").status == 200
            yield lambda state: Attempt(server.process, pool.submit(synced, server, state))


def synced(server: Server, state: State, **headers: str) -> Outcome:
    """Sync over HTTP."""
    try:
        answer = server.post(f"/snapshot{ALLOW_ALL_DELETIONS}", state.body, MULTIPART, **headers)
    except (OSError, http.client.HTTPException):
        return Outcome(is_done=False)
    return Outcome(answer.status == 200, answer.status, answer.body.decode())


def with_signalling_app(folder: Path) -> Path:
    """Make signalling_app importable for processes with this folder in PYTHONPATH; return the path for requests."""
    (folder / "faults").symlink_to(Path(__file__).parent)
    return folder / "signal-request"


def send_signal(attempt: Attempt, number: signal.Signals, delay: float) -> None:
    """Send a signal to the process after this many seconds, or as soon as the sync has ended."""
    with suppress(TimeoutError):
        attempt.outcome.exception(delay)
    attempt.process.send_signal(number)
