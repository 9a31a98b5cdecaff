"""How a sync treats the rows of a snapshot."""

import json

import msgspec
import pytest

from builders import patient, payment, rejection
from paymentagg.domain.changes import Created, Deleted, Updated
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import RejectedRows
from paymentagg.domain.listener import Listener
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.queries import PatientView, PaymentView
from paymentagg.domain.report import ModelReport
from paymentagg.domain.row_rules import Number, check_row
from paymentagg.domain.terms import Terms
from practice import Heard, Practice
from project import SAMPLES


def test_a_first_sync_creates_every_row(practice: Practice) -> None:
    report = practice.sync(patients=[patient("5"), patient("4")], payments=[payment("501", "5")])
    assert report.patients == ModelReport(rows=2, created=2)
    assert report.payments == ModelReport(rows=1, created=1)
    assert list(practice.patients) == ["5", "4"]
    assert list(practice.payments) == ["501"]


def test_a_model_that_is_not_synced_is_left_alone_and_not_in_the_report(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("501", "5")])
    report = practice.sync(payments=[])
    assert report.patients is msgspec.UNSET
    assert list(practice.patients) == ["5"]


def test_a_row_that_differs_is_updated_and_the_rest_is_unchanged(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("4")])
    report = practice.sync(patients=[patient("5", first_name="Roy"), patient("4")])
    assert report.patients == ModelReport(rows=2, updated=1, unchanged=1)
    assert practice.patients["5"].first_name == "Roy"


def test_the_same_snapshot_in_another_order_changes_nothing(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("4")], payments=[payment("501", amount="7.10")])
    before = practice.patients, practice.payments
    report = practice.sync(patients=[patient("4"), patient("5")], payments=[payment("501", amount="7.1")])
    assert not report.changed
    assert (practice.patients, practice.payments) == before


def test_all_rows_of_a_sync_get_the_time_at_which_it_started(practice: Practice) -> None:
    report = practice.sync(patients=[patient("5")], payments=[payment("501", "5"), payment("502", "5")])
    rows: list[PatientView | PaymentView] = [*practice.patients.values(), *practice.payments.values()]
    assert {row.created for row in rows} == {row.updated for row in rows} == {report.started_at}
    assert report.finished_at > report.started_at


def test_an_update_moves_updated_and_leaves_created_and_id_alone(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    first = practice.patients["5"]
    report = practice.sync(patients=[patient("5", first_name="Roy")])
    assert practice.patients["5"].updated == report.started_at
    assert (practice.patients["5"].id, practice.patients["5"].created) == (first.id, first.created)


def test_a_patients_payments_do_not_move_the_patients_updated(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    first = practice.patients["5"]
    practice.sync(payments=[payment("501", "5", "4.46")])
    assert practice.totals == {"5": "4.46"}
    assert practice.patients["5"].updated == first.updated


def test_a_row_that_is_not_in_the_snapshot_is_deleted(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("4")])
    report = practice.sync(patients=[patient("4")])
    assert report.patients == ModelReport(rows=1, unchanged=1, deleted=1)
    assert list(practice.patients) == ["4"]


def test_a_deleted_row_that_comes_back_is_new(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    first = practice.patients["5"]
    practice.sync(patients=[])
    report = practice.sync(patients=[patient("5")])
    again = practice.patients["5"]
    assert again.created == again.updated == report.started_at
    assert again.id > first.id


def test_a_patients_payments_are_deleted_and_counted_with_the_patient(practice: Practice) -> None:
    practice.sync(
        patients=[patient("5"), patient("8")],
        payments=[payment("501", "5"), payment("502", "5"), payment("601", "8")],
    )
    report = practice.sync(patients=[patient("8")])
    assert report.patients == ModelReport(rows=1, unchanged=1, deleted=1)
    assert report.payments == ModelReport(deleted=2)
    assert list(practice.payments) == ["601"]


def test_payments_that_go_with_a_patient_count_beside_those_that_go_by_themselves(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("501", "5"), payment("601", "8")])
    report = practice.sync(patients=[patient("8")], payments=[])
    assert report.payments == ModelReport(deleted=2)
    assert practice.payments == {}


def test_a_payment_that_moves_changes_both_totals(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("501", "5", "4.46")])
    report = practice.sync(payments=[payment("501", "8", "4.46")])
    assert report.payments == ModelReport(rows=1, updated=1)
    assert practice.totals == {"5": "0.00", "8": "4.46"}


def test_a_bad_row_is_reported_and_the_rest_goes_on(practice: Practice) -> None:
    bad = rejection(1, "4")
    report = practice.sync(patients=[bad, patient("5")])
    assert report.patients == ModelReport(rows=2, created=1, rejected=1)
    assert report.errors == [bad]
    assert list(practice.patients) == ["5"]


def test_a_payment_of_an_unknown_patient_is_rejected(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    report = practice.sync(payments=[payment("501", "5"), payment("601", "6")])
    assert report.payments == ModelReport(rows=2, created=1, rejected=1)
    assert [(error.row, error.external_id, error.field, error.code) for error in report.errors] == [
        (2, "601", "patientId", "unknown-patient")
    ]


def test_a_patient_of_the_same_sync_is_known(practice: Practice) -> None:
    assert practice.sync(patients=[patient("5")], payments=[payment("501", "5")]).rejected == 0


def test_a_patient_whom_the_same_sync_deletes_is_unknown(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("501", "5")])
    report = practice.sync(patients=[patient("8")], payments=[payment("501", "5")])
    assert report.payments == ModelReport(rows=1, rejected=1, deleted=1, deletions_suspended="mostly-rejected")


def test_copies_of_a_row_are_rejected_and_the_first_is_taken(practice: Practice) -> None:
    report = practice.sync(patients=[patient("5"), patient("4"), patient("5")])
    assert report.patients == ModelReport(rows=3, created=2, rejected=1)
    assert [(error.row, error.code) for error in report.errors] == [(3, "duplicate-external-id")]


def test_rows_that_contradict_one_another_are_rejected_and_what_is_stored_stays(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("4"), patient("8")])
    before = practice.patients
    report = practice.sync(
        patients=[patient("5", first_name="A"), patient("5", first_name="B"), patient("4"), patient("8")]
    )
    assert report.patients == ModelReport(rows=4, unchanged=2, rejected=2)
    assert [(error.row, error.code) for error in report.errors] == [
        (1, "conflicting-external-id"),
        (2, "conflicting-external-id"),
    ]
    assert practice.patients == before


def test_two_copies_that_a_third_row_contradicts_are_all_rejected(practice: Practice) -> None:
    report = practice.sync(patients=[patient("5"), patient("5"), patient("5", first_name="B")])
    assert [error.code for error in report.errors] == ["conflicting-external-id"] * 3


def test_a_bad_row_does_not_contradict_a_good_one_with_the_same_id(practice: Practice) -> None:
    report = practice.sync(patients=[rejection(1, "5"), patient("5")])
    assert report.patients == ModelReport(rows=2, created=1, rejected=1)


def test_a_payment_of_an_unknown_patient_does_not_contradict_a_good_one_with_the_same_id(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    report = practice.sync(payments=[payment("501", "6"), payment("501", "5")])
    assert [(error.row, error.code) for error in report.errors] == [(1, "unknown-patient")]
    assert practice.payments["501"].patient_id == "5"


def test_patients_and_payments_are_separate_name_spaces(practice: Practice) -> None:
    assert practice.sync(patients=[patient("5")], payments=[payment("5", "5")]).rejected == 0


def test_ids_that_look_alike_are_different_rows(practice: Practice) -> None:
    alike = ["5", "05", "a1", "A1", "\u00e9", "e\u0301"]
    practice.sync(patients=[patient(external_id) for external_id in alike])
    assert list(practice.patients) == alike


def test_a_strict_sync_refuses_any_rejected_row_and_changes_nothing(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    before = practice.answers()
    with pytest.raises(RejectedRows) as caught:
        practice.sync(patients=[patient("5", first_name="Roy"), patient("4"), rejection(3, "8")], strict=True)
    assert [error.row for error in caught.value.report.errors] == [3]
    assert caught.value.report.refused is True
    assert practice.answers() == before


def test_a_strict_sync_of_good_rows_is_done(practice: Practice) -> None:
    assert practice.sync(patients=[patient("5")], strict=True).changed


def test_the_first_hundred_errors_are_listed_and_the_rest_is_counted(practice: Practice) -> None:
    report = practice.sync(patients=[rejection(row, str(row)) for row in range(1, 151)])
    assert [error.row for error in report.errors] == list(range(1, 101))
    assert report.errors_omitted == 50


def test_a_listener_hears_of_every_rejected_row_and_of_every_change(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("8")], payments=[payment("501", "5"), payment("601", "8")])
    heard = Heard()
    practice.sync(
        patients=[patient("8", first_name="Roy"), patient("4")],
        payments=[payment("601", "8"), payment("701", "15")],
        listener=heard,
    )
    assert [(each.model, each.row, each.code) for each in heard.rejections] == [("payment", 2, "unknown-patient")]
    assert heard.changes == [
        Updated(Model.PATIENT, "8", patient("8"), patient("8", first_name="Roy")),
        Created(Model.PATIENT, "4", patient("4")),
        Deleted(Model.PAYMENT, "501", payment("501", "5")),
        Deleted(Model.PATIENT, "5", patient("5")),
    ]


def test_a_listener_hears_of_rejected_rows_alone_unless_it_wants_changes(practice: Practice) -> None:
    class Quiet(Heard):
        wants_changes = Listener.wants_changes

    quiet = Quiet()
    practice.sync(patients=[patient("5"), rejection(2, "4")], listener=quiet)
    assert (len(quiet.rejections), quiet.changes) == (1, [])


def test_a_sync_is_neither_strict_nor_rehearsed_unless_its_terms_say_so() -> None:
    limit = DeletionLimit.parse("20%")
    assert Terms(limit) == Terms(limit, strict=False, dry_run=False)


def test_the_sample_with_errors_does_what_the_contract_says(practice: Practice) -> None:
    practice.sync(patients=sample("patients.json", Patient), payments=sample("payments.json", Payment))
    assert practice.totals == {"5": "17.22", "4": "0.00", "8": "25.61", "15": "9.29"}

    report = practice.sync(payments=sample("payments_with_errors.json", Payment), limit="20%", floor=100)

    assert report.payments == ModelReport(rows=6, updated=1, unchanged=3, rejected=2, deleted=1)
    assert [(error.row, error.external_id, error.code) for error in report.errors] == [
        (4, "601", "unknown-patient"),
        (5, "602", "unknown-patient"),
    ]
    assert list(practice.payments) == ["501", "502", "503", "601", "602"]
    assert practice.totals == {"5": "17.22", "4": "0.00", "8": "32.61", "15": "0.00"}


def sample(name: str, kind: type[RecordT]) -> list[RecordT]:
    """Return the records in a file of the samples, all of which must be good."""
    model = Model(kind.__name__.lower())
    rows = json.loads((SAMPLES / name).read_bytes(), parse_float=Number, parse_int=Number)
    records = []
    for row in rows:
        record = check_row(model, row)
        assert isinstance(record, kind)
        records.append(record)
    return records
