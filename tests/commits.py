"""A server in which a sync stands before its COMMIT for as long as a test wants."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from builders import array, patient_row
from server import Answer, Server, serving

FACTORY = """
from sqlalchemy import Engine, event
from paymentagg import app
from paymentagg.adapters.sql import postgresql, sqlite
from paymentagg.entrypoints.waitress_server.server import Limits, serve

GATE = {gate!r}

def main(global_config, **settings):
    sqlite.PATIENCE = 60
    postgresql._WRITING["lock_timeout"] = "60s"
    made = app.main(global_config, **settings)
    event.listen(Engine, "commit", lambda connection: open(GATE, "rb").read())
    return made

def hasty(global_conf, **settings):
    return lambda app: serve(app, settings, Limits(drain=0.1))
"""
"""An application whose COMMIT waits until somebody has opened and closed a pipe, and whose other syncs wait for it."""


@contextmanager
def committing(
    folder: Path, database_url: str, **settings: str
) -> Iterator[tuple[Server, Future[Answer], Callable[[], None]]]:
    """Lend a server in which a sync of one patient is about to commit, its answer to come, and what lets all commit."""
    gate = folder / "commit"
    (folder / "factory.py").write_text(FACTORY.format(gate=str(gate)))
    os.mkfifo(gate)
    with (
        serving(folder, database_url, {"use": "call:factory:main"}, **settings) as server,
        ThreadPoolExecutor() as pool,
    ):
        sync = pool.submit(server.post, "/patients", array(patient_row()))
        with gate.open("wb") as opened:  # waits until the server has come to the commit

            def go_on() -> None:
                gate.rename(folder / "open")  # later commits find a file that is empty
                gate.touch()
                opened.close()

            yield server, sync, go_on
