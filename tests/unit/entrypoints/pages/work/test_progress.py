"""The progress of a job."""

import pytest

from paymentagg.entrypoints.pages.work.errors import Abandoned
from paymentagg.entrypoints.pages.work.progress import Attempt, Progress


def test_reading_has_a_fraction_and_other_phases_have_none() -> None:
    seconds = iter(range(100))
    attempt = Attempt(lambda: next(seconds))
    assert attempt.progress == Progress("starting", None, 1)
    attempt.enter("reading patients")
    assert attempt.progress.fraction is None
    attempt.read("reading patients", 30, 120)
    attempt.read("reading patients", 30, 120)
    attempt.enter("reading patients")
    assert attempt.progress == Progress("reading patients", 0.5, 3)
    attempt.read("reading patients", 90, 120)
    assert attempt.progress.fraction == 1
    attempt.enter("comparing patients")
    assert attempt.progress == Progress("comparing patients", None, 5)
    attempt.read("reading payments", 0, 0)
    assert attempt.progress.fraction is None


def test_a_commit_is_known_to_have_begun() -> None:
    attempt = Attempt()
    assert not attempt.is_committing
    attempt.commit_begins()
    assert attempt.is_committing
    assert attempt.progress.phase == "committing"


def test_an_abandoned_attempt_ends_at_its_next_check() -> None:
    attempt = Attempt()
    attempt.check()
    attempt.abandon()
    with pytest.raises(Abandoned):
        attempt.check()
