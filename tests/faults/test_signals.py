"""kill -9 and SIGTERM, at named moments of a sync and at random ones: whole or absent, and right the next time."""

import random
import signal
import statistics
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pytest

from faults.programs import Begin, Console, Outcome, Program, Website, strike
from faults.saboteur import MOMENTS, give_order
from faults.states import State, states
from fingerprint import Fingerprint, fingerprint
from server import PATIENCE

pytestmark = pytest.mark.faults

EMPTY, FIRST, SECOND = states(patients=2_000, payments=12_000)  # enough for a first load in bulk

AT_RANDOM = None
PLAN = [moment for name in MOMENTS for moment in (name, AT_RANDOM)]


def test_a_program_that_is_killed_leaves_the_state_before_or_after(
    program: Program, database_url: str, scale: int
) -> None:
    kept = [
        whole_or_absent(before, now, target, outcome)
        for before, now, target, outcome in struck(program, database_url, signal.SIGKILL, 2 + 3 * scale // 4)
    ]
    print(f"{len(kept)} kills: after {sum(kept)} the sync was whole, after {len(kept) - sum(kept)} absent")
    if isinstance(program, Website):
        median, most = statistics.median(program.starts), max(program.starts)
        print(f"{len(program.starts)} starts: GET /patients was answered in {median:.1f} s, {most:.1f} s at most")


def test_a_program_that_is_asked_to_stop_says_whether_it_has_synced(
    program: Program, database_url: str, scale: int
) -> None:
    for before, now, target, outcome in struck(program, database_url, signal.SIGTERM, 1 + scale // 10):
        assert whole_or_absent(before, now, target, outcome) == outcome.is_done
        if isinstance(program, Console) and not outcome.is_done:
            assert outcome.status == 128 + signal.SIGTERM
            assert "nothing was changed" in outcome.words


def struck(
    program: Program, url: str, number: signal.Signals, times: int
) -> Iterator[tuple[Fingerprint, Fingerprint, State, Outcome]]:
    """Strike syncs, and see to it that each is right when it is done again: yield the states before and after it."""
    seed = time.time_ns()
    print(f"random moments of seed {seed}")
    chance = random.Random(seed)  # noqa: S311  no secret
    duration = None
    last = FIRST
    for moment, target in islice(zip(cycle(PLAN), cycle([SECOND, EMPTY, FIRST])), times):
        with program.started() as begin:
            began = time.monotonic()
            before = done(begin, url, last)
            duration = duration or time.monotonic() - began
            if moment is not AT_RANDOM:
                give_order(program.order, number, moment)
            attempt = begin(target)
            if moment is AT_RANDOM:
                strike(attempt, number, chance.uniform(0, duration))
            outcome = attempt.outcome.result(PATIENCE)
            attempt.process.wait(PATIENCE)
        assert not program.order.exists()
        yield before, fingerprint(url), target, outcome
        last = target
    with program.started() as begin:
        done(begin, url, last)


def done(begin: Begin, url: str, state: State) -> Fingerprint:
    """Sync undisturbed, and return what is stored then."""
    outcome = begin(state).outcome.result(PATIENCE)
    assert outcome.is_done, outcome
    now = fingerprint(url)
    assert now.content == state.content
    return now


def whole_or_absent(before: Fingerprint, now: Fingerprint, target: State, outcome: Outcome) -> bool:
    """Return whether the sync is there, whole; one that was said to be done must be."""
    if now == before:
        assert not outcome.is_done
        return False
    assert now.follows(before, target.content)
    return True


@pytest.fixture(params=[Website, Console], ids=["server", "console"])
def program(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> Program:
    kind: type[Website | Console] = request.param
    return kind(tmp_path, database_url)
