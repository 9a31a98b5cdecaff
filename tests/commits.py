"""A server that pauses a sync before its COMMIT until the test releases it."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from builders import array, patient_row
from server import Answer, Server, serving, until

FACTORY = """
from sqlalchemy import Engine, event
from paymentagg import app
from paymentagg.adapters.sql.engines import session_settings, sqlite
from paymentagg.entrypoints.waitress_server.limits import Limits
from paymentagg.entrypoints.waitress_server.server import serve

GATE = {gate!r}

def main(global_config, **settings):
    sqlite.PATIENCE = 60
    session_settings._WRITING["lock_timeout"] = "60s"
    made = app.main(global_config, **settings)
    event.listen(Engine, "commit", lambda connection: open(GATE, "rb").read())
    return made

def quick_to_stop(global_conf, **settings):
    return lambda app: serve(app, settings, Limits(drain=0.1))
"""
"""An application whose COMMIT waits until a named pipe was opened and closed. Other syncs wait for the lock meanwhile.

``quick_to_stop`` is a server runner that gives running requests only 0.1 s to end.
"""


@contextmanager
def committing(
    folder: Path, database_url: str, **settings: str
) -> Iterator[tuple[Server, Future[Answer], Callable[[], None]]]:
    """Yield a server in which a sync of one patient is about to commit, its future answer, and what releases it.

    Syncs that come to their COMMIT after the release don't pause.
    """
    gate = folder / "commit"
    (folder / "factory.py").write_text(FACTORY.format(gate=str(gate)))
    os.mkfifo(gate)
    with (
        serving(folder, database_url, {"use": "call:factory:main"}, **settings) as server,
        ThreadPoolExecutor() as pool,
    ):
        sync = pool.submit(server.post, "/patients", array(patient_row()))
        with open(writing_end(gate, sync), "wb") as opened:

            def release() -> None:
                gate.rename(folder / "open")  # later commits read an empty file
                gate.touch()
                opened.close()

            yield server, sync, release


def writing_end(gate: Path, sync: Future[Answer]) -> int:
    """Return the descriptor of the pipe's writing end as soon as the server has opened the other one.

    Raises:
        AssertionError: the sync ended before its COMMIT, for example because the server didn't start.
    """
    ends: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):  # ENXIO: no process has opened the pipe for reading
            ends.append(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        return bool(ends or wait([sync], 0.01).done)

    until(is_open)
    assert ends, sync.result()
    return ends[0]
