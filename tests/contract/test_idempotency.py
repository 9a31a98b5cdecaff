"""A sync isn't repeated under the same idempotency key."""

import pytest

from builders import patient, payment
from paymentagg.domain.errors import DeletionRefused, IdempotencyMismatch
from paymentagg.domain.model import Model
from paymentagg.domain.terms import AlreadyDone
from practice import Practice


def test_the_same_key_and_body_again_give_the_same_report_and_change_nothing(practice: Practice) -> None:
    first = practice.sync(patients=[patient("5")], digest="a", key="monday")
    practice.sync(patients=[patient("5", first_name="Roy")], digest="b", key="tuesday")
    before = practice.answers()
    with pytest.raises(AlreadyDone) as caught:
        practice.sync(patients=[patient("5")], digest="a", key="monday")
    assert caught.value.report == first
    assert practice.answers() == before


def test_another_body_under_the_same_key_is_refused(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="a", key="monday")
    before = practice.answers()
    with pytest.raises(IdempotencyMismatch):
        practice.sync(patients=[patient("6")], digest="b", key="monday")
    with pytest.raises(IdempotencyMismatch):
        practice.sync(payments=[payment("1")], digest="a", key="monday")
    with pytest.raises(IdempotencyMismatch):
        practice.sync(patients=[patient("5")], payments=[payment("1")], digest="a", key="monday")
    assert practice.answers() == before


def test_other_parameters_under_the_same_key_are_refused(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="a", key="monday", parameters="/patients strict")
    before = practice.answers()
    with pytest.raises(IdempotencyMismatch):
        practice.sync(patients=[patient("5")], digest="a", key="monday", parameters="/patients")
    with pytest.raises(AlreadyDone):
        practice.sync(patients=[patient("5")], digest="a", key="monday", parameters="/patients strict")
    assert practice.answers() == before


def test_a_sync_whose_parameters_were_not_recorded_is_recognised_by_its_rows(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="a", key="monday")
    with pytest.raises(AlreadyDone):
        practice.sync(patients=[patient("5")], digest="a", key="monday", parameters="/patients")


def test_a_dry_run_ignores_the_key_of_a_sync(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="a", key="monday")
    for digest in ("a", "b"):
        assert practice.sync(patients=[patient("6")], digest=digest, key="monday", dry_run=True, force=True).dry_run


def test_a_key_of_a_sync_that_was_refused_or_rehearsed_is_still_free(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], digest="a", key="monday", limit="0")
    practice.sync(patients=[], digest="a", key="monday", dry_run=True)
    assert practice.sync(patients=[], digest="a", key="monday").models[Model.PATIENT].deleted == 1


def test_the_same_body_under_another_key_is_a_sync_of_its_own(practice: Practice) -> None:
    for key in ("monday", "Monday", None, None):
        practice.sync(patients=[patient("5")], digest="a", key=key)
    assert len(practice.syncs) == 4
