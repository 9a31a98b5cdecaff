"""The event loop and the worker threads of a real server process, in an order that chance rarely gives."""

from pathlib import Path

from builders import array, patient_row
from server import serving

SLOW_LOOP = """
from threading import Event

from waitress.task import ThreadedTaskDispatcher

from paymentagg.entrypoints.waitress_server.limits import Limits
from paymentagg.entrypoints.waitress_server.server import serve
from paymentagg.entrypoints.waitress_server.tasks import ApplicationTask

admitted = Event()
add_task, refusal = ThreadedTaskDispatcher.add_task, ApplicationTask.refusal

def add_and_wait(dispatcher, channel):
    add_task(dispatcher, channel)
    if channel.requests[0].is_undecided:
        admitted.wait()

def refuse(task):
    try:
        return refusal(task)
    finally:
        admitted.set()

ThreadedTaskDispatcher.add_task, ApplicationTask.refusal = add_and_wait, refuse

def main(global_conf, **settings):
    return lambda app: serve(app, settings, Limits())
"""
"""A server runner whose event loop goes on only when a worker has admitted the request that it was handed."""


def test_a_worker_that_is_faster_than_the_event_loop_receives_the_body(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "slow_loop.py").write_text(SLOW_LOOP)
    with serving(tmp_path, sqlite_url, None, use="call:slow_loop:main") as server:
        assert server.post("/patients", array(patient_row())).json["patients"]["created"] == 1
