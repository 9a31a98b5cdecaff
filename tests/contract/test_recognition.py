"""A snapshot with the digest of the last one isn't compared with the stored rows, if the result is certain."""

from typing import Any

import pytest

from builders import patient, payment, rejection
from paymentagg.domain.listener import Phase
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from practice import Heard, Practice

# A snapshot with the same digest but other rows: if it were compared, something would change.
SAME: dict[str, Any] = {"payments": [payment("1", "5", "99")], "digest": "a"}
RECOGNISED = ModelReport(rows=2, unchanged=2)


def test_the_same_bytes_again_are_unchanged_without_being_compared(practice: Practice) -> None:
    first(practice)
    heard = Heard()
    report = practice.sync(**SAME, listener=heard)
    assert report.models == {Model.PAYMENT: RECOGNISED}
    assert (heard.recognitions, heard.phases) == ([(Model.PAYMENT, 2)], [])
    assert practice.syncs[0] == report
    assert str(practice.payments["1"].amount) == "4.46"


def test_they_are_recognised_again_and_again_and_for_both_models(practice: Practice) -> None:
    both: dict[str, Any] = {"patients": [patient("5")], "payments": [payment("1"), payment("2")], "digest": "b"}
    practice.sync(**both)
    for _ in range(2):
        report = practice.sync(**both | {"patients": [], "payments": []})
        assert report.models == {Model.PATIENT: ModelReport(rows=1, unchanged=1), Model.PAYMENT: RECOGNISED}


@pytest.mark.parametrize("between", [{"patients": [patient("5")]}, {"payments": [payment("1"), payment("2")]}])
def test_a_sync_between_that_changes_nothing_does_not_matter(practice: Practice, between: dict[str, Any]) -> None:
    first(practice)
    practice.sync(**between)
    assert practice.sync(**SAME).models == {Model.PAYMENT: RECOGNISED}


@pytest.mark.parametrize(
    "between",
    [
        {"patients": [patient("5", first_name="Roy")]},
        {"payments": [payment("1"), payment("2", amount="5")], "digest": "other"},
        {"payments": [payment("1")]},
    ],
)
def test_they_are_compared_when_something_has_changed_since(practice: Practice, between: dict[str, Any]) -> None:
    first(practice)
    practice.sync(**between)
    assert compared(practice)


def test_they_are_compared_when_the_same_sync_has_changed_patients(practice: Practice) -> None:
    first(practice)
    report = practice.sync(patients=[patient("5", first_name="Roy")], **SAME)
    assert report.models[Model.PAYMENT].updated == 1


def test_they_are_compared_when_a_row_was_rejected_last_time(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    practice.sync(payments=[payment("1"), rejection(2, "2", model=Model.PAYMENT)], digest="a")
    assert compared(practice)


def test_they_are_compared_when_that_is_forced(practice: Practice) -> None:
    first(practice)
    assert practice.sync(**SAME, force=True).models[Model.PAYMENT].updated == 1


def test_a_snapshot_that_was_only_rehearsed_is_not_recognised(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    practice.sync(payments=[payment("1"), payment("2")], digest="a", dry_run=True)
    assert practice.sync(**SAME).models[Model.PAYMENT].created == 1


def test_other_bytes_and_those_without_a_digest_are_compared(practice: Practice) -> None:
    first(practice)
    assert practice.sync(**SAME | {"digest": "b"}).models[Model.PAYMENT].updated == 1
    practice.sync(payments=[payment("1"), payment("2")])
    assert practice.sync(**SAME | {"digest": None}).models[Model.PAYMENT].updated == 1


def first(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    practice.sync(payments=[payment("1"), payment("2")], digest="a")


def compared(practice: Practice) -> bool:
    return practice.sync(**SAME).models[Model.PAYMENT].updated == 1


def test_a_listener_hears_each_phase_and_no_recognition_where_rows_are_compared(practice: Practice) -> None:
    first(practice)
    heard = Heard()
    practice.sync(patients=[], payments=[payment("1")], digest="b", listener=heard)
    patients, payments = [(phase, Model.PATIENT) for phase in Phase], [(phase, Model.PAYMENT) for phase in Phase]
    assert heard.phases == [*patients, *payments, (Phase.WRITING, Model.PATIENT)]
    assert heard.recognitions == []
