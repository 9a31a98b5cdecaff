"""The server and the console script, as processes that sync what a test says and can be struck meanwhile."""

import http.client
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from api import MULTIPART
from command import SCRIPT, Command
from faults import saboteur
from faults.states import ALL, State
from server import Server, serving


@dataclass(frozen=True)
class Outcome:
    """What whoever asked for a sync has learnt of it. ``status`` is that of the answer, None where none came."""

    is_done: bool
    status: int | None = None
    words: str = ""


@dataclass(frozen=True)
class Attempt:
    """A sync that is under way."""

    process: "subprocess.Popen[Any]"
    outcome: Future[Outcome]


Begin = Callable[[State], Attempt]


class Program(Protocol):
    order: Path
    """The file for orders to the saboteur."""

    @contextmanager
    def started(self) -> Iterator[Begin]:
        """Lend what begins a sync and returns as soon as it is under way."""


class Console:
    """paymentagg-sync: a process for each sync."""

    def __init__(self, folder: Path, url: str) -> None:
        self.order = sabotaged(folder)
        self._command = Command(folder, url)
        self._command.write("console.ini", f"[app:main]\nuse = {saboteur.FACTORY}\norder = {self.order}\n")

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
        words = process.stderr.read()
        process.stderr.close()
        status = process.wait()
        return Outcome(status in (0, 3), status if status >= 0 else None, words)


class Website:
    """The server: one process, until it is struck. ``starts`` are the seconds until it answered, for each start."""

    def __init__(self, folder: Path, url: str) -> None:
        self.order = sabotaged(folder)
        self.starts: list[float] = []
        self._folder = folder
        self._url = url

    @contextmanager
    def started(self) -> Iterator[Begin]:
        began = time.monotonic()
        settings = {"use": saboteur.FACTORY, "order": str(self.order)}
        with serving(self._folder, self._url, settings) as server, ThreadPoolExecutor() as pool:
            assert server.get("/patients").status == 200
            self.starts.append(time.monotonic() - began)
            yield lambda state: Attempt(server.process, pool.submit(synced, server, state))


def synced(server: Server, state: State, **headers: str) -> Outcome:
    """Sync over HTTP."""
    try:
        answer = server.post(f"/snapshot{ALL}", state.body, MULTIPART, **headers)
    except (OSError, http.client.HTTPException):
        return Outcome(is_done=False)
    return Outcome(answer.status == 200, answer.status, answer.body.decode())


def sabotaged(folder: Path) -> Path:
    """Let processes that find their modules in this folder find the saboteur; return the file for orders."""
    (folder / "faults").symlink_to(Path(__file__).parent)
    return folder / "order"


def strike(attempt: Attempt, number: signal.Signals, delay: float) -> None:
    """Send a signal to the process after these seconds, or as soon as the sync has come to its end."""
    with suppress(TimeoutError):
        attempt.outcome.exception(delay)
    attempt.process.send_signal(number)
