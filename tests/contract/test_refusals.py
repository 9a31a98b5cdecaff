"""Syncs that must not delete anything, or must not change anything."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
import pytest

from builders import batch, patient, payment, rejection
from paymentagg.adapters.memory.replica import MemoryReplica
from paymentagg.adapters.memory.storage import MemoryStorage, MemoryTransaction
from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Deleted, Effect, Rejection
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused, InvalidSnapshot, SyncInProgress
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from practice import Given, Heard, Practice


def test_a_rejected_row_with_a_readable_id_keeps_what_is_stored_under_it(practice: Practice) -> None:
    practice.sync(patients=patients(4))
    before = practice.patients["1"]
    report = practice.sync(patients=[rejection(1, "1"), patient("2")])
    assert report.patients == ModelReport(rows=2, unchanged=1, rejected=1, deleted=2)
    assert practice.patients["1"] == before


def test_a_payment_whose_patient_is_unknown_keeps_what_is_stored_under_its_id(practice: Practice) -> None:
    practice.sync(patients=patients(1), payments=payments(3, of="1"))
    report = practice.sync(payments=[payment("1", "nobody"), payment("2", "1")])
    assert report.payments == ModelReport(rows=2, unchanged=1, rejected=1, deleted=1)
    assert practice.payments["1"].patient_id == "1"


def test_a_row_without_a_readable_id_suspends_deletion(practice: Practice) -> None:
    practice.sync(patients=patients(4))
    report = practice.sync(
        patients=[patient("1", first_name="Roy"), patient("9"), rejection(3, None, "blank", "externalId")]
    )
    assert report.patients == ModelReport(
        rows=3, created=1, updated=1, rejected=1, deletions_suspended="unreadable-external-id"
    )
    assert list(practice.patients) == ["1", "2", "3", "4", "9"]


def test_more_than_half_of_the_rows_rejected_suspends_deletion(practice: Practice) -> None:
    practice.sync(patients=patients(4))
    report = practice.sync(patients=[patient("1"), rejection(2, "8"), rejection(3, "9")])
    assert report.patients == ModelReport(rows=3, unchanged=1, rejected=2, deletions_suspended="mostly-rejected")
    assert list(practice.patients) == ["1", "2", "3", "4"]


def test_exactly_half_of_the_rows_rejected_deletes_as_ever(practice: Practice) -> None:
    practice.sync(patients=patients(4))
    report = practice.sync(patients=[patient("1"), rejection(2, "9")])
    assert report.patients == ModelReport(rows=2, unchanged=1, rejected=1, deleted=3)


def test_rows_that_only_the_diff_rejects_suspend_deletion_too(practice: Practice) -> None:
    practice.sync(patients=patients(1), payments=payments(3, of="1"))
    report = practice.sync(payments=[payment("8", "nobody"), payment("9", "nobody")])
    assert report.payments == ModelReport(rows=2, rejected=2, deletions_suspended="mostly-rejected")
    assert list(practice.payments) == ["1", "2", "3"]


def test_patients_whose_deletion_is_suspended_keep_their_payments(practice: Practice) -> None:
    practice.sync(patients=patients(2), payments=payments(3, of="2"))
    heard = Heard()
    report = practice.sync(patients=[patient("1"), rejection(2, None)], limit="0", listener=heard)
    assert list(report.models) == [Model.PATIENT]
    assert heard.changes == []
    assert list(practice.payments) == ["1", "2", "3"]


def test_deletion_is_suspended_for_the_model_alone(practice: Practice) -> None:
    practice.sync(patients=patients(2), payments=payments(3, of="1"))
    report = practice.sync(patients=[patient("1"), rejection(2, None)], payments=payments(1, of="1"))
    assert report.models[Model.PATIENT].deletions_suspended == "unreadable-external-id"
    assert report.payments == ModelReport(rows=1, unchanged=1, deleted=2)


def test_a_listener_hears_of_deletions_only_where_they_happen(practice: Practice) -> None:
    practice.sync(patients=patients(2))
    heard = Heard()
    practice.sync(patients=[patient("1")], listener=heard)
    assert heard.changes == [Deleted(Model.PATIENT, "2", patient("2"))]


def test_the_guard_refuses_to_delete_more_than_the_limit_and_nothing_changes(practice: Practice) -> None:
    practice.sync(patients=patients(10))
    before = practice.answers()
    with pytest.raises(DeletionRefused) as caught:
        practice.sync(patients=[patient("1", first_name="Roy"), *patients(7)[1:], patient("11")], limit="20%")
    assert refusal(caught.value) == (Model.PATIENT, 10, 3, 2)
    assert practice.answers() == before


def test_the_guard_allows_exactly_the_limit(practice: Practice) -> None:
    practice.sync(patients=patients(10))
    assert practice.sync(patients=patients(8), limit="20%").models[Model.PATIENT].deleted == 2


def test_the_guard_allows_a_small_practice_everything(practice: Practice) -> None:
    practice.sync(patients=patients(100))
    assert practice.sync(patients=[], limit="20%", floor=100).models[Model.PATIENT].deleted == 100


def test_the_guard_counts_the_rows_that_were_stored_and_not_those_that_come(practice: Practice) -> None:
    practice.sync(patients=patients(10))
    newcomers = [patient(f"new {number}") for number in range(100)]
    with pytest.raises(DeletionRefused):
        practice.sync(patients=patients(7) + newcomers, limit="20%")


def test_a_limit_of_none_lets_a_sync_pass_that_deletes_nothing(practice: Practice) -> None:
    practice.sync(patients=patients(2))
    assert practice.sync(patients=patients(3), limit="0").models[Model.PATIENT].created == 1


def test_the_guard_counts_payments_that_go_with_their_patients(practice: Practice) -> None:
    practice.sync(patients=patients(10), payments=payments(10, of="10"))
    with pytest.raises(DeletionRefused) as caught:
        practice.sync(patients=patients(9), limit="20%")
    assert refusal(caught.value) == (Model.PAYMENT, 10, 10, 2)


def test_a_refusal_names_all_payments_that_would_go_even_where_those_of_patients_are_too_many(
    practice: Practice,
) -> None:
    practice.sync(
        patients=patients(10), payments=[*payments(5, of="1"), *(payment(f"gone {n}", "10") for n in range(5))]
    )
    with pytest.raises(DeletionRefused) as caught:
        practice.sync(patients=patients(9), payments=payments(3, of="1"), limit="20%")
    assert refusal(caught.value) == (Model.PAYMENT, 10, 7, 2)


@pytest.mark.parametrize("given", [None, 3])
def test_a_refusal_for_patients_names_the_payments_that_would_go_too(practice: Practice, given: int | None) -> None:
    practice.sync(patients=patients(10), payments=[*payments(5, of="1"), *(payment(f"g{n}", "10") for n in range(5))])
    with pytest.raises(DeletionRefused) as caught:
        practice.sync(
            patients=[*patients(7), patient("new")],
            payments=None if given is None else payments(given, of="1"),
            limit="2",
        )
    lost = 5 if given is None else 7
    assert refusal(caught.value) == (Model.PATIENT, 10, 3, 2)
    assert str(caught.value).startswith(f"3 of 10 patients and {lost} of 10 payments would be deleted")
    assert caught.value.needed == lost


def test_the_guard_adds_payments_that_go_with_their_patients_to_those_that_go_alone(practice: Practice) -> None:
    practice.sync(patients=patients(10), payments=[payment("gone", "10"), *payments(9, of="1")])
    with pytest.raises(DeletionRefused) as caught:
        practice.sync(patients=patients(9), payments=payments(7, of="1"), limit="20%")
    assert refusal(caught.value) == (Model.PAYMENT, 10, 3, 2)


def test_the_guard_allows_the_limit_for_both_kinds_of_deleted_payments_together(practice: Practice) -> None:
    practice.sync(patients=patients(10), payments=[payment("gone", "10"), *payments(9, of="1")])
    report = practice.sync(patients=patients(9), payments=payments(8, of="1"), limit="20%")
    assert (report.models[Model.PATIENT].deleted, report.models[Model.PAYMENT].deleted) == (1, 2)


def test_a_refused_payments_snapshot_takes_back_the_patients_of_the_same_sync(practice: Practice) -> None:
    practice.sync(patients=patients(1), payments=payments(10, of="1"))
    before = practice.answers()
    with pytest.raises(DeletionRefused):
        practice.sync(patients=patients(2), payments=[], limit="20%")
    assert practice.answers() == before


def test_a_snapshot_that_turns_out_unreadable_changes_nothing(practice: Practice) -> None:
    practice.sync(patients=patients(1))
    before = practice.answers()

    class Broken(Given[Payment]):
        def __iter__(self) -> Iterator[Batch[Payment]]:
            yield batch([payment("1", "2")])
            raise InvalidSnapshot("it ends too early", offset=100)

    with pytest.raises(InvalidSnapshot), practice.store.transaction() as transaction:
        synchronize(
            transaction,
            Snapshots(Given(batch(patients(2))), Broken()),
            Terms(DeletionLimit.parse("20%")),
            practice.clock,
        )
    assert practice.answers() == before


@pytest.mark.parametrize("bad", [[], [rejection(4, "4")]])
def test_a_dry_run_reports_the_same_and_changes_nothing(practice: Practice, bad: list[Rejection]) -> None:
    practice.sync(patients=patients(3), payments=payments(3, of="3"))
    before = practice.answers()

    def sync(*, dry_run: bool) -> Report:
        snapshot: list[Patient | Rejection] = [*patients(2), patient("9"), *bad]
        return practice.sync(patients=snapshot, payments=payments(1, of="1"), dry_run=dry_run)

    rehearsed = sync(dry_run=True)
    assert (rehearsed.id, rehearsed.dry_run) == (None, True)
    assert practice.answers() == before
    done = sync(dry_run=False)
    assert (rehearsed.models, rehearsed.errors) == (done.models, done.errors)


def test_a_dry_run_is_guarded_too(practice: Practice) -> None:
    practice.sync(patients=patients(10))
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], limit="20%", dry_run=True)


def test_while_one_sync_runs_another_is_told_so_and_changes_nothing(practice: Practice) -> None:
    with practice.store.transaction() as first:
        first.lock()
        with pytest.raises(SyncInProgress):
            practice.sync(patients=patients(1))
    assert practice.patients == {}


def test_a_sync_that_failed_does_not_stand_in_the_way_of_the_next(practice: Practice) -> None:
    practice.sync(patients=patients(10))
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], limit="0")
    assert practice.sync(patients=patients(11), limit="0").models[Model.PATIENT].created == 1


def test_a_storage_that_does_other_than_was_decided_is_stopped(practice: Practice) -> None:
    class ForgetfulReplica(MemoryReplica[Patient]):
        def apply(self, at: datetime, *, delete: bool, history: int | None) -> Effect:
            return msgspec.structs.replace(super().apply(at, delete=delete, history=history), created=0)

    class Forgetful(MemoryTransaction):
        def lock(self) -> None:
            super().lock()
            self.patients = ForgetfulReplica(Model.PATIENT, self.state, self.state.patients)

    terms = Terms(DeletionLimit.parse("20%"))
    with pytest.raises(RuntimeError, match="but done"):
        synchronize(Forgetful(MemoryStorage()), Snapshots(Given(batch(patients(1)))), terms, practice.clock)


def test_an_empty_snapshot_of_an_empty_store_is_nothing(practice: Practice) -> None:
    assert practice.sync(patients=[], payments=[]).models == {
        Model.PATIENT: ModelReport(),
        Model.PAYMENT: ModelReport(),
    }


def test_the_record_keeps_what_was_done_and_not_what_was_rehearsed_or_refused(practice: Practice) -> None:
    first = practice.sync(patients=patients(1))
    practice.sync(patients=patients(2), dry_run=True)
    with pytest.raises(DeletionRefused):
        practice.sync(patients=[], limit="0")
    second = practice.sync(patients=patients(2))
    assert (first.id, second.id) == (1, 2)
    assert practice.syncs == [second, first]


def patients(count: int) -> list[Patient]:
    return [patient(str(number)) for number in range(1, count + 1)]


def payments(count: int, *, of: str) -> list[Payment]:
    return [payment(str(number), of) for number in range(1, count + 1)]


def refusal(error: DeletionRefused) -> tuple[Model, int, int, int]:
    return (error.model, error.stored, error.would_delete, error.limit)
