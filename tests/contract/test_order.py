"""A snapshot that was taken before the last one that was applied to its model is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from builders import patient, payment
from paymentagg.domain.errors import DeletionRefused, StaleSnapshot
from paymentagg.domain.model import Model
from practice import Practice

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(microseconds=1)


def test_an_older_snapshot_is_refused_and_changes_nothing(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=LATER)
    before = practice.answers()
    with pytest.raises(StaleSnapshot) as caught:
        practice.sync(patients=[patient("5", first_name="Roy")], taken_at=NOON)
    assert caught.value.model is Model.PATIENT
    assert practice.answers() == before


def test_the_same_time_again_and_a_newer_one_are_applied(practice: Practice) -> None:
    for taken_at in (NOON, NOON, LATER):
        practice.sync(patients=[patient("5")], taken_at=taken_at)
    assert len(practice.syncs) == 3


def test_each_model_has_an_order_of_its_own(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=LATER)
    practice.sync(payments=[payment("1")], taken_at=NOON)
    with pytest.raises(StaleSnapshot):
        practice.sync(patients=[patient("5")], payments=[payment("1")], taken_at=NOON)


def test_a_snapshot_that_does_not_say_when_it_was_taken_is_applied_and_forgets_nothing(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=LATER)
    practice.sync(patients=[patient("5"), patient("6")])
    with pytest.raises(StaleSnapshot):
        practice.sync(patients=[patient("5")], taken_at=NOON)


def test_a_sync_that_was_refused_or_only_rehearsed_does_not_count(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=NOON)
    practice.sync(patients=[patient("5")], taken_at=LATER, dry_run=True)
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], taken_at=LATER, limit="0")
    assert practice.sync(patients=[patient("5")], taken_at=NOON).id is not None


def test_the_very_same_bytes_are_refused_too_where_they_are_older(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=LATER, digest="a")
    with pytest.raises(StaleSnapshot):
        practice.sync(patients=[patient("5")], taken_at=NOON, digest="a")


def test_the_very_same_bytes_move_the_order_on(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=NOON, digest="a")
    practice.sync(patients=[patient("5")], taken_at=LATER, digest="a")
    with pytest.raises(StaleSnapshot):
        practice.sync(patients=[patient("5"), patient("6")], taken_at=NOON)
