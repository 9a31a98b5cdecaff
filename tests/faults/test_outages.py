"""PostgreSQL stops or loses its backends during syncs and reads: 503, then normal service by the same process."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import NDJSON
from builders import ndjson, patient_row
from command import Command, finish
from faults.programs import synced
from faults.states import states
from fingerprint import fingerprint
from postgres import Postgres, connect
from server import PATIENCE, Answer, Server, serving, until

pytestmark = pytest.mark.faults

EMPTY, FIRST, SECOND = states(patients=2_000, payments=12_000)

READS = [("/patients?payment_min=1", "application/json"), ("/payments", NDJSON)]

TERMINATE_BACKENDS = sa.text(
    "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity"
    " WHERE application_name = 'paymentagg' AND datname = current_database()"
)
"""Terminates paymentagg's backends and waits until they have exited; returns how many there were."""


def test_a_server_that_is_stopped_in_the_middle_is_unavailable_and_in_service_when_it_is_back(
    disposable_postgres: Postgres, disposable_url: str, tmp_path: Path, scale: int
) -> None:
    with serving(tmp_path, disposable_url) as server:

        def outage() -> None:
            disposable_postgres.stop_at_once()
            assert_unavailable(server.get("/patients"))
            disposable_postgres.start()
            until(lambda: server.get("/patients").status == 200)

        interrupt_syncs(server, disposable_url, outage, scale)


def test_backends_that_are_ended_in_the_middle_make_unavailable_what_they_did_and_nothing_else(
    postgresql_url: str, tmp_path: Path, scale: int
) -> None:
    terminated = 0
    with serving(tmp_path, postgresql_url) as server:

        def terminate_backends() -> None:
            nonlocal terminated
            with connect(postgresql_url) as connection:
                terminated += connection.scalar(TERMINATE_BACKENDS)
            assert server.get("/patients").status == 200

        interrupt_syncs(server, postgresql_url, terminate_backends, scale)
    print(f"{terminated} backends terminated")


def test_a_console_script_whose_backend_is_ended_while_it_reads_says_so_and_nothing_else(
    postgresql_url: str, tmp_path: Path
) -> None:
    command = Command(tmp_path, postgresql_url)
    rows = ndjson(*[patient_row(f"{n}") for n in range(20_000)])  # far more than a pipe holds
    with command.reading("--patients", "-") as process, connect(postgresql_url) as administrator:
        assert process.stdin is not None
        process.stdin.write(rows)
        process.stdin.flush()
        assert administrator.scalar(TERMINATE_BACKENDS) == 1
        with suppress(BrokenPipeError):
            process.stdin.write(rows)
            process.stdin.close()
        status, out, err = finish(process)

    assert (status, out) == (6, b"")
    assert [line for line in err.decode().splitlines() if not line.endswith("…")] == [
        "paymentagg-sync: error: the database can't be used: PostgreSQL can't be reached; is it running, "
        "and is the URL right?; nothing was changed"
    ]


def interrupt_syncs(server: Server, url: str, interrupt: Callable[[], None], times: int) -> None:
    """Interrupt syncs and reads at random moments; assert that each is complete, unavailable or visibly cut off."""
    seed = time.time_ns()
    chance = random.Random(seed)  # noqa: S311  no secret
    began = time.monotonic()
    until(lambda: synced(server, FIRST).is_done)
    duration = time.monotonic() - began
    done = unavailable = cut = 0
    with ThreadPoolExecutor() as pool:
        for target in islice(cycle([SECOND, EMPTY, FIRST]), times):
            before = fingerprint(url)
            sync = pool.submit(synced, server, target)
            reads = [pool.submit(read, server, path, media) for path, media in READS]
            wait([sync], chance.uniform(0, duration / 2))  # later syncs take less time than the first
            interrupt()
            outcome = sync.result(PATIENCE)
            now = fingerprint(url)
            assert now.follows(before, target.content) or (now == before and not outcome.is_done)
            assert outcome.status in (200, 503)
            for each in reads:
                answer = each.result(PATIENCE)
                cut += answer is None
                if answer is not None and answer.status != 200:
                    assert_unavailable(answer)
                    unavailable += 1
            done += outcome.is_done
            again = synced(server, target)
            assert again.is_done, again
            assert fingerprint(url).content == target.content
    assert "Deckard" not in "".join(server.log)  # the last name of all patients
    print(f"seed {seed}: {times} interruptions; {done} syncs done, {times - done} unavailable;", end=" ")
    print(f"of {len(READS) * times} reads {unavailable} unavailable, {cut} cut off")


def read(server: Server, path: str, media: str) -> Answer | None:
    """Return the answer, or None if it was cut off."""
    try:
        return server.get(path, {"Accept": media})
    except HTTPException:
        return None


def assert_unavailable(answer: Answer) -> None:
    """Assert that the answer is 503 with ``Retry-After``."""
    assert (answer.status, answer.code) == (503, "database-unavailable")
    assert answer.headers["Retry-After"]
