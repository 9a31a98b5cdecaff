"""The contract of Retention: old changes are pruned, and a deleted patient is forgotten."""

from datetime import datetime

import msgspec
import pytest

from builders import patient, payment, rejection
from paymentagg.domain.errors import NotUndoable, SyncInProgress
from paymentagg.domain.history import HistoryQuery, RejectionsQuery, RowChange, SyncChangesQuery
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Erased
from practice import Practice


@pytest.fixture
def history(practice: Practice) -> Practice:
    """A practice whose patient 5 is deleted by its fourth sync, after a payment has moved to patient 6."""
    practice.sync(
        patients=[patient("5"), patient("6")], payments=[payment("1", "5"), payment("2", "5"), payment("3", "6")]
    )
    practice.sync(payments=[payment("1", "5", "9"), payment("2", "6"), payment("3", "6", "8")])
    practice.sync(patients=[patient("5", first_name="Roy"), patient("6", first_name="Pris")])
    practice.sync(patients=[patient("6", first_name="Pris")])
    return practice


def test_the_oldest_sync_is_pruned_first_and_only_those_before_the_time(history: Practice) -> None:
    before = history.syncs[0].started_at
    assert counts(history) == [0, 3, 2, 2]
    assert prune(history, history.syncs[2].started_at) is None
    assert prune(history, before) == Erased(changes=3)
    assert counts(history) == [0, 0, 2, 2]
    assert prune(history, before) == Erased(changes=2)
    assert prune(history, before) is None
    assert counts(history) == [0, 0, 0, 2]


def test_pruning_leaves_rows_and_reports_as_they_are(history: Practice) -> None:
    answers = history.answers()
    while prune(history, history.clock()):
        pass
    assert counts(history) == [0] * 4
    assert history.answers() == answers


def test_a_created_row_whose_first_change_was_pruned_is_shown_without_fields(history: Practice) -> None:
    prune(history, history.syncs[1].started_at)
    created = {(change.position[0], change.external_id): change.after for change in created_by(history, 1)}
    assert created == {
        (Model.PATIENT, "5"): patient("5"),
        (Model.PATIENT, "6"): patient("6"),
        (Model.PAYMENT, "1"): None,
        (Model.PAYMENT, "2"): None,
        (Model.PAYMENT, "3"): None,
    }


def test_a_patient_who_is_forgotten_is_in_no_change_and_all_others_stay(history: Practice) -> None:
    with history.store.retention() as retention:
        assert not retention.is_stored("5")
        assert retention.forget("5") == Erased(changes=5)
    for number in range(1, 5):
        assert {
            change.external_id for change in changes_of(history, number) if change.position[0] is Model.PATIENT
        } <= {"6"}
        assert b'"5"' not in msgspec.json.encode(changes_of(history, number))
    assert counts(history) == [0, 1, 1, 0]
    assert [report.history_erased for report in history.syncs] == [2, 1, 2, msgspec.UNSET]
    with history.store.reading() as reader:
        assert reader.history.of_row(HistoryQuery(Model.PATIENT, "5")).items == []
        assert len(reader.history.of_row(HistoryQuery(Model.PATIENT, "6")).items) == 2
    with history.store.retention() as retention:
        assert retention.forget("5") == Erased()


def test_a_patient_who_is_forgotten_is_in_no_report_and_counts_stay(practice: Practice) -> None:
    rejected = [rejection(3, "5", "blank", "lastName"), rejection(4, "6", "blank", "lastName")]
    practice.sync(patients=[patient("5"), patient("6"), *rejected], payments=[payment("1", "5"), payment("5", "6")])
    practice.sync(payments=[payment("1", "5"), payment("1", "6"), payment("5", "6"), payment("5", "6")])
    practice.sync(patients=[patient("6")], limit="100%")
    before = practice.syncs
    with practice.store.reading() as reader:
        version = reader.syncs.page().version
    with practice.store.retention() as retention:
        assert retention.forget("5").errors == 3
    after = practice.syncs
    shown = [[(error.model, error.row, error.external_id) for error in report.errors] for report in after]
    assert shown == [
        [],
        [(Model.PAYMENT, 1, None), (Model.PAYMENT, 2, None), (Model.PAYMENT, 4, "5")],
        [(Model.PATIENT, 3, None), (Model.PATIENT, 4, "6")],
    ]
    assert [report.history_erased for report in after] == [2, msgspec.UNSET, msgspec.UNSET]
    for one, other in zip(before, after, strict=True):
        one.errors = other.errors = []
        other.history_erased = msgspec.UNSET
    assert after == before
    with practice.store.reading() as reader:
        assert reader.syncs.page().version != version


def test_the_rejected_rows_of_a_patient_are_forgotten_and_those_of_others_stay(practice: Practice) -> None:
    rejected = [rejection(3, "5", "blank", "lastName"), rejection(4, "6", "blank", "lastName")]
    practice.sync(patients=[patient("5"), patient("6"), *rejected], payments=[payment("1", "5"), payment("2", "6")])
    doubtful = [rejection(9, "1", "invalid-amount", "amount", Model.PAYMENT)]
    practice.sync(payments=[payment("1", "5", "9"), payment("2", "6"), *doubtful])
    practice.sync(patients=[patient("6")])
    practice.sync(payments=[payment("2", "6"), payment("3", "5"), payment("4", "7"), payment("2", "5")])
    kept = [rejections_of(practice, number) for number in range(1, 5)]
    assert kept == [[("5", 3), ("6", 4)], [("1", 9)], [], [("3", 2), ("4", 3), ("2", 4)]]
    with practice.store.retention() as retention:
        assert retention.forget("5").rejections == 4
    kept = [rejections_of(practice, number) for number in range(1, 5)]
    assert kept == [[("6", 4)], [], [], [("4", 3)]]
    assert prune(practice, practice.clock()) == Erased(rejections=1)


def test_a_stored_patient_is_known_to_be_stored(history: Practice) -> None:
    with history.store.retention() as retention:
        assert retention.is_stored("6")


def test_the_version_of_a_page_of_changes_changes_if_they_are_erased(history: Practice) -> None:
    def versions() -> list[str]:
        with history.store.reading() as reader:
            pages = [
                reader.history.of_sync(SyncChangesQuery(2)),
                reader.history.of_row(HistoryQuery(Model.PATIENT, "6")),
            ]
            return [page.version for page in pages if page]

    first = versions()
    assert versions() == first
    with history.store.retention() as retention:
        retention.forget("5")
    assert all(one != other for one, other in zip(versions(), first, strict=True))


def test_a_sync_whose_changes_were_erased_is_not_undone(history: Practice) -> None:
    last = history.syncs[0].id
    with history.store.retention() as retention:
        retention.forget("5")
    with pytest.raises(NotUndoable, match="history"):
        history.undo(last)


def test_nothing_is_erased_while_a_sync_runs(history: Practice) -> None:
    with history.store.transaction() as transaction:
        transaction.lock()
        with pytest.raises(SyncInProgress), history.store.retention() as retention:
            retention.forget("5")


def prune(practice: Practice, before: datetime) -> Erased | None:
    """Prune the oldest sync before a time."""
    with practice.store.retention() as retention:
        return retention.prune(before)


def counts(practice: Practice) -> list[int]:
    """Return how many updates and deletions are kept of each sync, oldest first."""
    return [
        sum(change.before is not None for change in changes_of(practice, number))
        for number in range(1, len(practice.syncs) + 1)
    ]


def rejections_of(practice: Practice, number: int) -> list[tuple[str | None, int]]:
    """Return external id and row of the rejected rows that are kept of a sync."""
    with practice.store.reading() as reader:
        page = reader.syncs.rejections(RejectionsQuery(practice.syncs[-number].id or 0))
    assert page is not None
    return [(each.external_id, each.row) for each in page.items]


def created_by(practice: Practice, number: int) -> list[RowChange]:
    """Return what a sync has created."""
    return [change for change in changes_of(practice, number) if change.before is None]


def changes_of(practice: Practice, number: int) -> list[RowChange]:
    """Return all changes of the sync with this number, counted from 1."""
    return practice.changes(practice.syncs[-number].id)
