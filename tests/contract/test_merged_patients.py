"""Patients are deleted after the payments were applied, so that payments can move away from them."""

import pytest

from builders import patient, payment, rejection
from paymentagg.domain.changes import Created, Deleted, Rejection, Updated
from paymentagg.domain.errors import DeletionRefused, RejectedRows
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.report import ModelReport
from practice import Heard, Practice

TO_STAY, TO_GO = "8", "5"


@pytest.fixture
def merged(practice: Practice) -> Practice:
    """A practice with two patients; the one to go has the payments 1 to 3, the one to stay 4 to 6, of 1.00 each."""
    practice.sync(
        patients=[patient(TO_GO), patient(TO_STAY)],
        payments=[*payments("123", TO_GO), *payments("456", TO_STAY)],
    )
    return practice


def test_payments_of_a_deleted_patient_move_to_the_one_who_stays_and_are_updated(merged: Practice) -> None:
    before = merged.payments
    report = merged.sync(patients=[patient(TO_STAY)], payments=payments("123456", TO_STAY))
    assert report.patients == ModelReport(rows=1, unchanged=1, deleted=1)
    assert report.payments == ModelReport(rows=6, updated=3, unchanged=3)
    for external_id, moved in merged.payments.items():
        assert (moved.id, moved.created) == (before[external_id].id, before[external_id].created)
        assert moved.updated == (report.started_at if external_id in "123" else before[external_id].updated)
    assert merged.totals == {TO_STAY: "6.00"}


def test_a_payment_moves_from_a_deleted_patient_to_one_who_is_new(merged: Practice) -> None:
    report = merged.sync(patients=[patient("new")], payments=[payment("1", "new", "2.00")])
    assert report.payments == ModelReport(rows=1, updated=1, deleted=5)
    assert merged.totals == {"new": "2.00"}


def test_what_is_neither_moved_nor_in_the_snapshot_is_deleted_once(merged: Practice) -> None:
    report = merged.sync(patients=[patient(TO_STAY)], payments=payments("145", TO_STAY))
    assert report.payments == ModelReport(rows=3, updated=1, unchanged=2, deleted=3)
    assert list(merged.payments) == ["1", "4", "5"]
    assert merged.totals == {TO_STAY: "3.00"}


def test_payments_that_still_name_the_deleted_patient_are_rejected_and_deleted_along(merged: Practice) -> None:
    rows = [payment("1", TO_GO, "1.00"), payment("2", TO_GO, "7.00"), *payments("3456", TO_STAY)]
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert report.payments == ModelReport(rows=6, updated=1, unchanged=3, rejected=2, deleted=2)
    assert [(error.row, error.code) for error in report.errors] == [(1, "unknown-patient"), (2, "unknown-patient")]
    assert list(merged.payments) == ["3", "4", "5", "6"]


def test_rejected_rows_protect_no_payment_of_a_deleted_patient(merged: Practice) -> None:
    bad = [rejection(row, external_id, model=Model.PAYMENT) for row, external_id in enumerate("14", 1)]
    rows: list[Payment | Rejection] = [*bad, *payments("2356", TO_STAY)]
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert report.payments == ModelReport(rows=6, updated=2, unchanged=2, rejected=2, deleted=1)
    assert list(merged.payments) == ["2", "3", "4", "5", "6"]
    assert merged.totals == {TO_STAY: "5.00"}


def test_rows_that_contradict_one_another_protect_no_payment_of_a_deleted_patient(merged: Practice) -> None:
    rows = [payment("1", TO_STAY, "2.00"), payment("1", TO_STAY, "3.00"), *payments("23456", TO_STAY)]
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert report.payments == ModelReport(rows=7, updated=2, unchanged=3, rejected=2, deleted=1)
    assert "1" not in merged.payments


def test_a_row_of_the_deleted_patient_does_not_contradict_the_row_that_moves_the_payment(merged: Practice) -> None:
    rows = [payment("1", TO_GO, "1.00"), payment("2", TO_GO, "2.00"), *payments("123456", TO_STAY)]
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert report.payments == ModelReport(rows=8, updated=3, unchanged=3, rejected=2)
    assert [(error.row, error.code) for error in report.errors] == [(1, "unknown-patient"), (2, "unknown-patient")]
    assert merged.totals == {TO_STAY: "6.00"}


def test_copies_of_a_moved_row_are_rejected_and_the_payment_moves(merged: Practice) -> None:
    report = merged.sync(patients=[patient(TO_STAY)], payments=payments("1123456", TO_STAY))
    assert report.payments == ModelReport(rows=7, updated=3, unchanged=3, rejected=1)
    assert [(error.row, error.code) for error in report.errors] == [(2, "duplicate-external-id")]


def test_a_new_payment_of_a_deleted_patient_is_rejected(merged: Practice) -> None:
    report = merged.sync(patients=[patient(TO_STAY)], payments=[payment("new", TO_GO), *payments("123456", TO_STAY)])
    assert report.payments == ModelReport(rows=7, updated=3, unchanged=3, rejected=1)


def test_where_deletion_of_payments_is_suspended_those_of_deleted_patients_still_go_or_move(merged: Practice) -> None:
    rows: list[Payment | Rejection] = [payment("1", TO_STAY, "1.00"), rejection(2, None, model=Model.PAYMENT)]
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert report.payments == ModelReport(
        rows=2, updated=1, rejected=1, deleted=2, deletions_suspended="unreadable-external-id"
    )
    assert list(merged.payments) == ["1", "4", "5", "6"]
    assert merged.totals == {TO_STAY: "4.00"}


def test_where_deletion_of_patients_is_suspended_their_payments_are_those_of_any_patient(merged: Practice) -> None:
    report = merged.sync(
        patients=[patient(TO_STAY), rejection(2, None)], payments=[*payments("12", TO_GO), *payments("3456", TO_STAY)]
    )
    assert report.payments == ModelReport(rows=6, updated=1, unchanged=5)
    assert merged.totals == {TO_GO: "2.00", TO_STAY: "4.00"}


def test_without_a_snapshot_of_payments_they_are_deleted_along(merged: Practice) -> None:
    report = merged.sync(patients=[patient(TO_STAY)])
    assert report.payments == ModelReport(deleted=3)
    assert merged.totals == {TO_STAY: "3.00"}


def test_the_very_same_snapshot_of_payments_is_compared_where_a_patient_is_deleted(merged: Practice) -> None:
    rows = [*payments("123", TO_GO), *payments("456", TO_STAY)]
    merged.sync(payments=rows, digest="a")
    report = merged.sync(patients=[patient(TO_STAY)], payments=rows, digest="a")
    assert report.payments == ModelReport(rows=6, unchanged=3, rejected=3, deleted=3)


def test_a_listener_hears_of_moved_payments_before_the_deleted_ones_and_their_patient(merged: Practice) -> None:
    heard = Heard()
    merged.sync(
        patients=[patient(TO_STAY), patient("4")],
        payments=[payment("1", TO_GO), *payments("23456", TO_STAY), payment("new", "4")],
        listener=heard,
    )
    assert heard.changes == [
        Created(Model.PATIENT, "4", patient("4")),
        Updated(Model.PAYMENT, "2", payment("2", TO_GO, "1.00"), payment("2", TO_STAY, "1.00")),
        Updated(Model.PAYMENT, "3", payment("3", TO_GO, "1.00"), payment("3", TO_STAY, "1.00")),
        Created(Model.PAYMENT, "new", payment("new", "4")),
        Deleted(Model.PAYMENT, "1", payment("1", TO_GO, "1.00")),
        Deleted(Model.PATIENT, TO_GO, patient(TO_GO)),
    ]


def test_the_guard_does_not_count_payments_that_move(merged: Practice) -> None:
    report = merged.sync(patients=[patient(TO_STAY)], payments=payments("13456", TO_STAY), limit="1")
    assert report.payments == ModelReport(rows=5, updated=2, unchanged=3, deleted=1)


@pytest.mark.parametrize("limit", ["1", "2", "3"])
def test_a_refusal_names_the_payments_deleted_along_and_the_missing_ones_together(merged: Practice, limit: str) -> None:
    before = merged.answers()
    with pytest.raises(DeletionRefused) as caught:  # 2 of the patient who goes, 1 of which is rejected; 2 of the other
        merged.sync(patients=[patient(TO_STAY)], payments=[payment("1", TO_GO), *payments("26", TO_STAY)], limit=limit)
    error = caught.value
    assert (error.model, error.stored, error.would_delete, error.limit) == (Model.PAYMENT, 6, 4, int(limit))
    assert merged.answers() == before


def test_a_dry_run_of_a_merge_reports_what_the_sync_does_and_changes_nothing(merged: Practice) -> None:
    before = merged.answers()
    rows = [payment("1", TO_GO), *payments("2456", TO_STAY)]
    dry = merged.sync(patients=[patient(TO_STAY)], payments=rows, dry_run=True)
    assert merged.answers() == before
    done = merged.sync(patients=[patient(TO_STAY)], payments=rows)
    assert (dry.models, dry.errors) == (done.models, done.errors)


def test_a_strict_sync_refuses_rows_of_a_deleted_patient_and_changes_nothing(merged: Practice) -> None:
    before = merged.answers()
    with pytest.raises(RejectedRows) as caught:
        merged.sync(patients=[patient(TO_STAY)], payments=[payment("1", TO_GO), *payments("456", TO_STAY)], strict=True)
    assert caught.value.report.payments == ModelReport(rows=4, unchanged=3, rejected=1, deleted=3)
    assert merged.answers() == before


def payments(ids: str, of: str) -> list[Payment]:
    """Return payments of 1.00, one for each character."""
    return [payment(external_id, of, "1.00") for external_id in ids]
