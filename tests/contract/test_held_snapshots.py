"""The snapshots of an undone sync are held: they are refused until they are forced."""

import pytest

from builders import patient, payment
from paymentagg.domain.errors import HeldSnapshot
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from practice import Practice


def test_the_undone_snapshot_is_held_until_it_is_forced_and_the_right_one_is_taken(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="right")
    wrong = practice.sync(patients=[patient("6")], digest="wrong")
    undone = practice.undo(wrong.id)
    before = practice.answers()
    for dry_run in (True, False):
        with pytest.raises(HeldSnapshot, match=f"sync {wrong.id}, which was undone at .* --force") as caught:
            practice.sync(patients=[patient("6")], digest="wrong", dry_run=dry_run)
        assert (caught.value.model, caught.value.sync_id) == (Model.PATIENT, wrong.id)
        assert caught.value.undone_at == undone.started_at
    assert practice.answers() == before

    assert practice.sync(patients=[], digest="right").patients == ModelReport(rows=1, unchanged=1)  # recognised
    assert practice.sync(patients=[patient("5"), patient("7")], digest="new").models[Model.PATIENT].created == 1
    with pytest.raises(HeldSnapshot):
        practice.sync(patients=[patient("6")], digest="wrong")
    practice.sync(patients=[patient("6")], digest="wrong", force=True, dry_run=True)
    with pytest.raises(HeldSnapshot):
        practice.sync(patients=[patient("6")], digest="wrong")
    practice.sync(patients=[patient("6")], digest="wrong", force=True)
    assert list(practice.patients) == ["6"]
    assert practice.sync(patients=[], digest="wrong").patients == ModelReport(rows=1, unchanged=1)  # held no longer


def test_a_snapshot_that_was_forced_and_undone_again_is_held_again(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="right")
    for force in (False, True):
        practice.undo(practice.sync(patients=[patient("6")], digest="wrong", force=force).id)
        with pytest.raises(HeldSnapshot):
            practice.sync(patients=[patient("6")], digest="wrong")


def test_the_snapshot_that_the_rows_equal_again_is_known_and_not_held(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="a")
    second = practice.sync(patients=[patient("6")], digest="b")
    third = practice.sync(patients=[patient("5")], digest="a")
    practice.undo(third.id)
    with pytest.raises(HeldSnapshot):
        practice.sync(patients=[patient("5")], digest="a")
    practice.undo(second.id)
    assert practice.sync(patients=[], digest="a").patients == ModelReport(rows=1, unchanged=1)


def test_only_snapshots_whose_own_rows_changed_are_held(practice: Practice) -> None:
    paid = [payment("1", "5"), payment("2", "6")]
    practice.sync(patients=[patient("5"), patient("6")], payments=paid)
    wrong = practice.sync(patients=[patient("5")], payments=paid, digest="same")
    assert wrong.models[Model.PAYMENT].deleted == 1  # with its patient
    practice.undo(wrong.id)
    assert practice.sync(payments=paid, digest="same").payments == ModelReport(rows=2, unchanged=2)
    with pytest.raises(HeldSnapshot):
        practice.sync(patients=[patient("5")], digest="same")


def test_a_payment_that_was_missing_together_with_its_patient_holds_its_snapshot_too(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("6")], payments=[payment("1", "5"), payment("2", "6")])
    practice.undo(practice.sync(patients=[patient("5")], payments=[payment("1", "5")], digest="wrong").id)
    with pytest.raises(HeldSnapshot) as caught:
        practice.sync(payments=[payment("1", "5")], digest="wrong")
    assert caught.value.model is Model.PAYMENT


def test_a_payment_that_was_missing_itself_holds_its_snapshot(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1"), payment("2")])
    practice.undo(practice.sync(payments=[payment("1")], digest="wrong").id)
    with pytest.raises(HeldSnapshot) as caught:
        practice.sync(payments=[payment("1")], digest="wrong")
    assert caught.value.model is Model.PAYMENT
