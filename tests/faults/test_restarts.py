"""A server that was killed during syncs and reads, and is started again at once, answers reads soon."""

import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path

import pytest

from api import NDJSON
from faults.programs import synced
from faults.states import State, states
from fingerprint import fingerprint
from server import PATIENCE, Server, serving, until

pytestmark = pytest.mark.faults

EMPTY, FIRST, SECOND = states(patients=2_000, payments=12_000)  # so many that a first load is in bulk

SYNC_SECONDS = 1.0
"""The kills are at random moments of this time; a sync takes about as long."""

READS = [
    ("/patients?payment_min=1", "application/json"),
    ("/payments?external_id=5", "text/csv"),
    ("/payments", NDJSON),
]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_killed_server_that_is_started_again_at_once_serves_reads(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, scale: int
) -> None:
    url: str = request.getfixturevalue("sqlite_url" if engine == "sqlite" else "disposable_url")
    kills = max(3, scale // 2)
    seed = time.time_ns()
    chance = random.Random(seed)  # noqa: S311  no secret
    times: list[float] = []
    done = 0
    with ThreadPoolExecutor() as pool:
        for number, target in enumerate(islice(cycle([FIRST, EMPTY, SECOND]), kills + 1)):
            began = time.monotonic()
            with serving(tmp_path, url) as server:
                until(partial(is_served, server))
                times.append(time.monotonic() - began)
                if number == kills:
                    assert synced(server, target).is_done
                    break
                done += kill_while_busy(server, target, chance.uniform(0, SYNC_SECONDS), pool)
    assert fingerprint(url).content == target.content
    after_kills = times[1:]
    print(f"seed {seed}: {kills} kills, {done} of them after the sync; the first 200 came", end=" ")
    print(f"{statistics.median(after_kills):.1f} s (median), {max(after_kills):.1f} s (at most) after the start")


def kill_while_busy(server: Server, target: State, delay: float, pool: ThreadPoolExecutor) -> bool:
    """Kill the server this many seconds after a sync and endless reads began; return whether the sync was done."""
    sync = pool.submit(synced, server, target)
    reads = [pool.submit(read_until_killed, server, path, media) for path, media in READS]
    wait([sync], delay)
    server.process.kill()
    for each in reads:
        each.result(PATIENCE)
    return sync.result(PATIENCE).is_done


def read_until_killed(server: Server, path: str, media: str) -> None:
    """Read again and again until the connection fails."""
    with suppress(OSError, HTTPException):
        while True:
            assert server.get(path, {"Accept": media}).status == 200


def is_served(server: Server) -> bool:
    """Return whether a read of data succeeds."""
    return server.get("/patients").status == 200
