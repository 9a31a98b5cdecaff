"""A sync keeps the rows that it updates and deletes as they were before."""

from datetime import date, datetime, timedelta

import pytest

from builders import patient, payment, rejection
from kept import Kept, history
from paymentagg.domain.errors import DeletionRefused
from paymentagg.domain.model import Model
from practice import Practice

WEIRD = "Ri\"ck \\ \u202e é \U0001f600 '; DROP"


def test_updated_and_deleted_rows_are_kept_with_their_times_and_new_fields(practice: Practice) -> None:
    first = practice.sync(
        patients=[patient("5", first_name=WEIRD), patient("8", middle_name="B", date_of_birth=None)],
        payments=[payment("1", "5", "-0.01"), payment("2", "8", "9999999999.99"), payment("3", "8")],
    )
    at = first.started_at
    ids = {key: view.id for key, view in practice.patients.items()} | {
        key: view.id for key, view in practice.payments.items()
    }
    second = practice.sync(
        patients=[
            patient("5", first_name="Roy", date_of_birth=date(1, 1, 1)),
            patient("8", middle_name="B", date_of_birth=None),
        ],
        payments=[payment("1", "8", "-0.01"), payment("2", "8", "0")],
    )
    sync = second.id or 0
    changed = patient("5", first_name="Roy", date_of_birth=date(1, 1, 1))
    assert history(practice.store) == [
        Kept(sync, ids["5"], patient("5", first_name=WEIRD), at, at, changed),
        Kept(sync, ids["1"], payment("1", "5", "-0.01"), at, at, payment("1", "8", "-0.01"), "5", "8"),
        Kept(sync, ids["2"], payment("2", "8", "9999999999.99"), at, at, payment("2", "8", "0.00"), "8"),
        Kept(sync, ids["3"], payment("3", "8"), at, at, None, "8"),
    ]


def test_payments_that_are_deleted_with_their_patients_are_kept_too(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("1", "5"), payment("2", "8")])
    sync = practice.sync(patients=[patient("8")]).id
    assert [(kept.sync, kept.before) for kept in history(practice.store)] == [
        (sync, patient("5")),
        (sync, payment("1", "5")),
    ]


def test_a_patient_that_is_merged_keeps_the_payments_that_moved_and_that_were_lost(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("1", "5"), payment("2", "5")])
    practice.sync(patients=[patient("8")], payments=[payment("1", "8"), payment("2", "5")])
    assert [(kept.before, kept.after, kept.new_patient) for kept in history(practice.store)] == [
        (patient("5"), None, None),
        (payment("1", "5"), payment("1", "8"), "8"),
        (payment("2", "5"), None, None),
    ]


def test_times_are_kept_to_the_microsecond(practice: Practice) -> None:
    practice.now += timedelta(microseconds=123_456)
    first = practice.sync(patients=[patient("5")])
    second = practice.sync(patients=[patient("5", first_name="Roy")])
    practice.sync(patients=[patient("5", first_name="Pris")])
    assert [(kept.created, kept.updated) for kept in history(practice.store)] == [
        (first.started_at, first.started_at),
        (first.started_at, second.started_at),
    ]


def test_nothing_is_kept_of_created_rows_dry_runs_refused_syncs_and_the_same_again(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1")])
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("1"), payment("2")])
    practice.sync(patients=[], dry_run=True)
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], limit="0")
    practice.sync(patients=[patient("5"), patient("8")])
    assert history(practice.store) == []


def test_nothing_is_kept_if_the_terms_say_so(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("1")])
    report = practice.sync(patients=[patient("5", first_name="Roy")], keep_history=False)
    assert (report.models[Model.PATIENT].updated, report.models[Model.PATIENT].deleted) == (1, 1)
    assert history(practice.store) == []


def test_rows_that_were_rejected_or_whose_deletion_is_suspended_are_not_kept(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("1"), payment("2"), payment("3")])
    practice.sync(
        payments=[payment("1", "5", "5"), payment("2", "nobody"), rejection(3, None, model=Model.PAYMENT)],
    )
    assert [kept.before for kept in history(practice.store)] == [payment("1")]


def test_each_sync_starts_later_than_the_last_one_even_if_the_clock_does_not(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    last = practice.now
    starts: list[datetime] = []
    for name in ("Roy", "Pris"):
        practice.now = last - timedelta(hours=1)
        report = practice.sync(patients=[patient("5", first_name=name)])
        assert report.finished_at >= report.started_at
        starts.append(report.started_at)
    first = practice.syncs[-1].started_at
    assert starts == [first + timedelta(microseconds=1), first + timedelta(microseconds=2)]
    assert practice.patients["5"].updated == starts[-1]
