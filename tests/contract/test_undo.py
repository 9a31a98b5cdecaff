"""An undo takes back the latest sync that changed something, as a sync of its own."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from builders import patient, payment, rejection
from kept import history, rows
from paymentagg.domain.errors import IdempotencyMismatch, NotUndoable, StaleSnapshot, SyncNotFound
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from paymentagg.domain.terms import AlreadyDone
from practice import Practice

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def small(practice: Practice) -> Practice:
    """A practice with three patients and four payments."""
    practice.sync(
        patients=[patient("5", middle_name='\\"B'), patient("8", date_of_birth=date(1, 1, 1)), patient("9")],
        payments=[payment("1", "5"), payment("2", "5", "-0.01"), payment("3", "8", "9999999999.99"), payment("4", "9")],
    )
    return practice


def test_everything_is_as_it_was_ids_and_times_and_totals_too(small: Practice) -> None:
    before = rows(small.store)
    done = small.sync(
        patients=[patient("5", first_name="Roy"), patient("9"), patient("new")],
        payments=[payment("1", "new", "5"), payment("2", "5", "0.02"), payment("4", "5"), payment("7", "new")],
    )
    assert rows(small.store) != before
    report = small.undo(done.id)
    assert rows(small.store) == before
    assert report.undoes == done.id
    assert report.patients == ModelReport(rows=2, created=1, updated=1, deleted=1)
    assert report.payments == ModelReport(rows=4, created=1, updated=3, deleted=1)
    assert small.syncs[0] == report


def test_a_first_load_is_taken_back_too(practice: Practice) -> None:
    empty = rows(practice.store)
    done = practice.sync(patients=[patient("5")], payments=[payment("1")])
    report = practice.undo(done.id)
    assert rows(practice.store) == empty
    assert report.models == {Model.PATIENT: ModelReport(deleted=1), Model.PAYMENT: ModelReport(deleted=1)}


def test_a_large_first_load_is_taken_back_and_its_rows_are_not_kept(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    before = rows(practice.store)
    done = practice.sync(payments=[payment(f"{number}") for number in range(10_000)])
    assert practice.undo(done.id).models == {Model.PAYMENT: ModelReport(deleted=10_000)}
    assert rows(practice.store) == before
    assert history(practice.store) == []


def test_payments_that_went_with_their_patients_come_back(small: Practice) -> None:
    before = rows(small.store)
    done = small.sync(patients=[patient("8", date_of_birth=date(1, 1, 1))])
    report = small.undo(done.id)
    assert rows(small.store) == before
    assert report.payments == ModelReport(rows=3, created=3)


def test_merged_patients_are_parted_again(small: Practice) -> None:
    before = rows(small.store)
    done = small.sync(patients=[patient("8")], payments=[payment(f"{number}", "8") for number in range(1, 5)])
    small.undo(done.id)
    assert rows(small.store) == before


def test_one_sync_after_the_other_is_taken_back(practice: Practice) -> None:
    states, syncs = [], []
    for number in range(4):
        states.append(rows(practice.store))
        snapshot = [patient(f"{each}", first_name=f"Rick {number}") for each in range(number, number + 3)]
        syncs.append(practice.sync(patients=snapshot, payments=[payment("1", f"{number + 1}", f"{number}.07")]))
        practice.sync(patients=snapshot)  # changes nothing
    for done, state in zip(reversed(syncs), reversed(states), strict=True):
        practice.undo(done.id)
        assert rows(practice.store) == state
    with pytest.raises(NotUndoable, match="has taken it back already"):
        practice.undo(syncs[0].id)


def test_new_syncs_follow_an_undo_and_are_taken_back_before_older_ones(practice: Practice) -> None:
    first = practice.sync(patients=[patient("5")])
    practice.undo(practice.sync(patients=[patient("5"), patient("6")]).id)
    before = rows(practice.store)
    third = practice.sync(patients=[patient("7")])
    with pytest.raises(NotUndoable, match=f"the next one to undo is sync {third.id}"):
        practice.undo(first.id)
    practice.undo(third.id)
    assert rows(practice.store) == before
    practice.undo(first.id)
    assert practice.patients == {}


def test_ids_are_not_used_again_after_an_undo(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    done = practice.sync(patients=[patient("5"), patient("6")])
    used = practice.patients["6"].id
    practice.undo(done.id)
    practice.sync(patients=[patient("5"), patient("6")])
    assert practice.patients["6"].id > used


def test_the_version_changes(practice: Practice) -> None:
    def version() -> str:
        with practice.store.reading() as reader:
            return reader.syncs.version()

    practice.sync(patients=[patient("5")])
    versions = [version()]
    done = practice.sync(patients=[])
    versions.append(version())
    practice.undo(done.id)
    versions.append(version())
    assert len(set(versions)) == 3


def test_a_dry_run_reports_the_same_and_changes_nothing(small: Practice) -> None:
    done = small.sync(patients=[patient("5", first_name="Roy")])
    before, kept, reports = rows(small.store), history(small.store), small.syncs
    rehearsed = small.undo(done.id, dry_run=True)
    assert (rows(small.store), history(small.store), small.syncs) == (before, kept, reports)
    undone = small.undo(done.id)
    assert (rehearsed.id, rehearsed.dry_run, rehearsed.undoes) == (None, True, done.id)
    assert rehearsed.models == undone.models


def test_what_an_undo_updates_and_deletes_is_kept(small: Practice) -> None:
    new = small.sync(
        patients=[patient("5", first_name="Roy"), patient("8", date_of_birth=date(1, 1, 1)), patient("7")],
        payments=[payment("1", "7", "5"), payment("3", "8", "9999999999.99"), payment("6", "7")],
    )
    undone = small.undo(new.id)
    kept = [each for each in history(small.store) if each.sync == undone.id]
    assert [(each.before, each.after, each.patient, each.new_patient) for each in kept] == [
        (patient("5", first_name="Roy"), patient("5", middle_name='\\"B'), None, None),
        (patient("7"), None, None, None),
        (payment("1", "7", "5"), payment("1", "5"), "7", "5"),
        (payment("6", "7"), None, "7", None),
    ]
    assert {each.updated for each in kept} == {new.started_at}


def test_what_an_undo_changes_is_not_kept_if_the_terms_say_so(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    done = practice.sync(patients=[patient("5"), patient("6")], keep_history=False)
    practice.undo(done.id, keep_history=False)
    assert list(practice.patients) == ["5"]
    assert history(practice.store) == []


def test_only_the_latest_sync_that_changed_something_is_taken_back(practice: Practice) -> None:
    first = practice.sync(patients=[patient("5")])
    second = practice.sync(patients=[patient("6")])
    same = practice.sync(patients=[patient("6")])
    before = practice.answers()
    for sync, why in [
        (first, "later syncs have changed rows too"),
        (same, "it changed nothing"),
    ]:
        with pytest.raises(NotUndoable, match=f"{why}.*; the next one to undo is sync {second.id}") as caught:
            practice.undo(sync.id)
        assert caught.value.latest == second.id
    assert practice.answers() == before

    undone = practice.undo(second.id)
    with pytest.raises(NotUndoable, match=f"it is itself the undo of sync {second.id}; .* is sync {first.id}"):
        practice.undo(undone.id)
    with pytest.raises(NotUndoable, match=f"sync {undone.id} has taken it back already"):
        practice.undo(second.id)
    with pytest.raises(NotUndoable, match=f"sync {undone.id} has taken it back already"):
        practice.undo(same.id)


def test_a_sync_that_is_not_recorded_is_not_found(practice: Practice) -> None:
    with pytest.raises(SyncNotFound, match="there is no sync 7"):
        practice.undo(7)


def test_a_sync_without_its_history_cannot_be_taken_back(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("6")])
    before = practice.rows
    done = practice.sync(patients=[patient("5", first_name="Roy")], keep_history=False)
    after = practice.rows
    with pytest.raises(NotUndoable, match=r"paymentagg\.history_days"):
        practice.undo(done.id)
    assert practice.rows == after != before


def test_the_order_of_snapshots_is_that_before_the_sync(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], taken_at=NOON)
    wrong = practice.sync(patients=[patient("6")], taken_at=LATER)
    practice.sync(patients=[patient("6")], taken_at=LATER)
    practice.undo(wrong.id)
    assert practice.sync(patients=[patient("5")], taken_at=NOON).id is not None
    with pytest.raises(StaleSnapshot):
        practice.sync(patients=[patient("5")], taken_at=NOON - timedelta(seconds=1))


def test_a_digest_that_later_unchanged_syncs_had_is_not_recognised_after_the_undo(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], digest="right")
    wrong = practice.sync(patients=[patient("6")], digest=None)
    practice.sync(patients=[patient("6")], digest="b")
    practice.undo(wrong.id)
    report = practice.sync(patients=[patient("6")], digest="b", dry_run=True)
    assert report.patients == ModelReport(rows=1, created=1, deleted=1)


def test_the_idempotency_key_of_the_undone_sync_still_replays(practice: Practice) -> None:
    practice.sync(patients=[patient("5")])
    done = practice.sync(patients=[patient("6")], digest="a", key="monday")
    practice.undo(done.id)
    with pytest.raises(AlreadyDone) as caught:
        practice.sync(patients=[patient("6")], digest="a", key="monday")
    assert caught.value.report == done


def test_an_undo_is_not_repeated_under_the_same_idempotency_key(practice: Practice) -> None:
    first = practice.sync(patients=[patient("5")])
    done = practice.sync(patients=[patient("6")])
    undone = practice.undo(done.id, key="tuesday", parameters="/undo")
    before = practice.answers()
    with pytest.raises(AlreadyDone) as caught:
        practice.undo(done.id, key="tuesday", parameters="/undo")
    assert caught.value.report == undone
    with pytest.raises(IdempotencyMismatch):
        practice.undo(first.id, key="tuesday", parameters="/undo")
    with pytest.raises(IdempotencyMismatch):
        practice.sync(patients=[patient("6")], digest="a", key="tuesday")
    assert practice.answers() == before


def test_the_report_of_a_sync_does_not_say_that_it_is_an_undo(practice: Practice) -> None:
    done = practice.sync(patients=[patient("5")])
    assert "undoes" not in msgspec.to_builtins(done)
    assert msgspec.to_builtins(practice.undo(done.id))["undoes"] == done.id


def test_rejected_rows_stay_out_of_it(small: Practice) -> None:
    before = rows(small.store)
    done = small.sync(patients=[patient("5"), rejection(2, "8"), patient("9"), patient("9"), patient("x")])
    assert done.rejected == 2
    small.undo(done.id)
    assert rows(small.store) == before
