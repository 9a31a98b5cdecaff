"""SIGKILL and SIGTERM at named and random moments of a sync: it is done or absent, and right when it is repeated."""

import random
import signal
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from faults.programs import Begin, ConsoleProgram, Outcome, Program, ServerProgram, send_signal
from faults.signalling_app import MOMENTS, request_signal
from faults.states import State, states
from fingerprint import Fingerprint, fingerprint
from server import PATIENCE

pytestmark = pytest.mark.faults

EMPTY, FIRST, SECOND = states(patients=2_000, payments=12_000)  # so many that a first load is in bulk

AT_RANDOM = None
DELETION = "before patients are deleted"
PLAN = [moment for name in MOMENTS for moment in (name, AT_RANDOM)]


def test_a_program_that_is_killed_leaves_the_state_before_or_after(
    program: Program, database_url: str, scale: int
) -> None:
    done = [
        done_or_absent(before, now, target, outcome)
        for before, now, target, outcome in interrupted_syncs(program, database_url, signal.SIGKILL, 2 + 3 * scale // 4)
    ]
    print(f"{len(done)} kills: {sum(done)} times the sync was done, {len(done) - sum(done)} times absent")


def test_a_program_that_is_asked_to_stop_says_whether_it_has_synced(
    program: Program, database_url: str, scale: int
) -> None:
    for before, now, target, outcome in interrupted_syncs(program, database_url, signal.SIGTERM, 1 + scale // 10):
        assert done_or_absent(before, now, target, outcome) == outcome.is_done
        if isinstance(program, ConsoleProgram) and not outcome.is_done:
            assert outcome.status == 128 + signal.SIGTERM
            assert "nothing was changed" in outcome.message


def interrupted_syncs(
    program: Program, url: str, number: signal.Signals, times: int
) -> Iterator[tuple[Fingerprint, Fingerprint, State, Outcome]]:
    """Send a signal during syncs, and repeat each afterwards.

    Yields:
        The database before the sync, the database after the signal, the state that was synced, and the outcome.
    """
    seed = time.time_ns()
    print(f"seed of the random moments: {seed}")
    chance = random.Random(seed)  # noqa: S311  no secret
    duration = None
    last = FIRST
    for planned, target in islice(zip(cycle(PLAN), cycle([SECOND, EMPTY, FIRST])), times):
        moment = (
            AT_RANDOM if planned == DELETION and target is FIRST else planned
        )  # it follows EMPTY: nothing is deleted
        with program.started() as begin:
            began = time.monotonic()
            before = sync_undisturbed(begin, url, last)
            duration = duration or time.monotonic() - began
            if moment is not AT_RANDOM:
                request_signal(program.request_file, number, moment)
            attempt = begin(target)
            if moment is AT_RANDOM:
                send_signal(attempt, number, chance.uniform(0, duration))
            outcome = attempt.outcome.result(PATIENCE)
            attempt.process.wait(PATIENCE)
        assert not program.request_file.exists()
        yield before, fingerprint(url), target, outcome
        last = target
    with program.started() as begin:
        sync_undisturbed(begin, url, last)


def sync_undisturbed(begin: Begin, url: str, state: State) -> Fingerprint:
    """Sync without a signal; return the resulting fingerprint."""
    outcome = begin(state).outcome.result(PATIENCE)
    assert outcome.is_done, outcome
    now = fingerprint(url)
    assert now.content == state.content
    return now


def done_or_absent(before: Fingerprint, now: Fingerprint, target: State, outcome: Outcome) -> bool:
    """Return whether the sync is completely done; assert that it is done or absent, and done if it was reported so."""
    if now == before:
        assert not outcome.is_done
        return False
    assert now.follows(before, target.content)
    return True


@pytest.fixture(params=[ServerProgram, ConsoleProgram], ids=["server", "console"])
def program(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Program:
    """Each program, on each engine."""
    kind: type[ServerProgram | ConsoleProgram] = request.param
    return kind(tmp_path, database_url)
