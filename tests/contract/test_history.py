"""The contract of HistoryRepository."""

from typing import Any

import pytest

from builders import patient, payment
from paymentagg.domain.history import ChangeKind, HistoryQuery, RowChange, SyncChangesQuery
from paymentagg.domain.model import Model, Patient, Payment
from practice import Practice

CREATED, UPDATED, DELETED = ChangeKind


def test_a_sync_shows_what_it_has_created_updated_and_deleted(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), patient("2"), patient("3")])
    sync = practice.sync(patients=[patient("4"), patient("1"), patient("2", middle_name="N6", date_of_birth=None)])
    changes = practice.changes(sync.id)
    assert shown(changes) == [
        (UPDATED, "2", patient("2"), patient("2", middle_name="N6", date_of_birth=None)),
        (DELETED, "3", patient("3"), None),
        (CREATED, "4", None, patient("4")),
    ]
    assert {(change.sync, change.at) for change in changes} == {(sync.id, sync.started_at)}
    assert changes[-1].id == practice.patients["4"].id


def test_patients_come_before_payments_and_each_model_by_id(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment("1", "1"), payment("2", "2", "7")])
    sync = practice.sync(
        patients=[patient("1"), patient("0")], payments=[payment("9", "1"), payment("1", "1", "-4.40")]
    )
    changes = practice.changes(sync.id)
    assert shown(changes) == [
        (DELETED, "2", patient("2"), None),
        (CREATED, "0", None, patient("0")),
        (UPDATED, "1", payment("1", "1"), payment("1", "1", "-4.40")),
        (DELETED, "2", payment("2", "2", "7"), None),
        (CREATED, "9", None, payment("9", "1")),
    ]
    assert [str(change.after.amount) for change in changes if isinstance(change.after, Payment)] == ["-4.40", "4.46"]


def test_changes_are_selected_by_model_and_kind(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment("1", "1")])
    sync = practice.sync(patients=[patient("1", last_name="Batty"), patient("3")], payments=[payment("2", "1")])
    everything = practice.changes(sync.id)
    assert len(everything) == 5
    for model in Model:
        for kind in (None, *ChangeKind):
            expected = [each for each in everything if is_of(each, model) and kind in (None, each.kind)]
            assert practice.changes(sync.id, model=model, kind=kind) == expected


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_show_each_change_once_in_order(practice: Practice, limit: int) -> None:
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment(str(n), "1") for n in range(4)])
    sync = practice.sync(
        patients=[patient("2", last_name="Batty"), patient("3"), patient("4")],
        payments=[payment("0", "2"), payment("1", "2"), payment("8", "2")],
    )
    everything = practice.changes(sync.id)
    assert len(everything) == 9
    query, seen = SyncChangesQuery(sync.id or 0, limit=limit), []
    while True:
        with practice.store.reading() as reader:
            page = reader.history.of_sync(query)
        assert page is not None
        seen += page.items
        if not page.more:
            break
        query = SyncChangesQuery(query.sync, after=page.items[-1].position, limit=limit)
    assert seen == everything


@pytest.mark.parametrize("kind", [None, CREATED])
def test_pages_show_rows_that_were_deleted_twice_since(practice: Practice, kind: ChangeKind | None) -> None:
    sync = practice.sync(patients=[patient(str(number)) for number in range(4)])
    practice.undo(practice.sync(patients=[]).id)
    practice.sync(patients=[])
    query, seen, more = SyncChangesQuery(sync.id or 0, kind=kind, limit=2), [], True
    while more:
        with practice.store.reading() as reader:
            page = reader.history.of_sync(query)
        assert page is not None
        seen += [change.external_id for change in page.items]
        more = page.more
        query = SyncChangesQuery(query.sync, kind=kind, after=page.items[-1].position, limit=2)
    assert seen == ["0", "1", "2", "3"]


def test_a_created_row_is_shown_as_it_was_created(practice: Practice) -> None:
    practice.sync(patients=[patient("0")])
    created, paid = [patient("1"), patient("2"), patient("3")], [payment("1", "1", "3"), payment("2", "1")]
    sync = practice.sync(patients=[patient("0"), *created], payments=paid)
    expected: list[Any] = [(CREATED, row.external_id, None, row) for row in created]
    expected += [(CREATED, row.external_id, None, row) for row in paid]
    assert shown(practice.changes(sync.id)) == expected
    practice.sync(patients=[patient("0"), patient("1", first_name="Roy"), patient("2"), patient("3", last_name="B")])
    practice.sync(payments=[payment("1", "2", "5"), payment("2", "1")])
    practice.sync(patients=[patient("0"), patient("1", first_name="Pris"), patient("4")])
    practice.sync(patients=[patient("2"), patient("3"), patient("1")])
    assert shown(practice.changes(sync.id)) == expected


def test_a_first_load_shows_what_it_has_created_and_nothing_else(practice: Practice) -> None:
    sync = practice.sync(patients=[patient("1")], payments=[payment("1", "1")])
    assert [(change.kind, change.external_id) for change in practice.changes(sync.id)] == [
        (CREATED, "1"),
        (CREATED, "1"),
    ]


def test_an_undo_shows_what_it_has_taken_back(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment("1", "1"), payment("2", "2")])
    sync = practice.sync(patients=[patient("1", first_name="Roy"), patient("3")], payments=[payment("1", "3")])
    done = practice.changes(sync.id)
    undo = practice.undo(sync.id)
    taken_back = practice.changes(undo.id)
    kinds = {CREATED: DELETED, UPDATED: UPDATED, DELETED: CREATED}
    assert shown(taken_back) == [(kinds[each.kind], each.external_id, each.after, each.before) for each in done]
    assert practice.changes(sync.id) == done
    for number in (sync.id, undo.id):
        assert [change for kind in ChangeKind for change in practice.changes(number, kind=kind)] == sorted(
            practice.changes(number), key=lambda change: list(ChangeKind).index(change.kind)
        )


def test_a_sync_that_changes_nothing_has_no_changes(practice: Practice) -> None:
    practice.sync(patients=[patient("1")])
    assert practice.changes(practice.sync(patients=[patient("1")]).id) == []


def test_of_a_sync_that_is_not_recorded_there_is_no_page(practice: Practice) -> None:
    sync = practice.sync(patients=[patient("1")])
    with practice.store.reading() as reader:
        for query in (SyncChangesQuery((sync.id or 0) + 1), SyncChangesQuery(2**62, kind=UPDATED)):
            assert reader.history.of_sync(query) is None


def test_the_history_of_a_row_is_newest_first(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), patient("2")])
    syncs = [practice.sync(patients=[patient("1", first_name=name)], limit="100%") for name in ("Roy", "Pris", "Rick")]
    practice.sync(patients=[])
    found = history_of(practice, Model.PATIENT, "1")
    assert [(change.kind, first_name(change.before), first_name(change.after)) for change in found] == [
        (DELETED, "Rick", None),
        (UPDATED, "Pris", "Rick"),
        (UPDATED, "Roy", "Pris"),
        (UPDATED, "Rick", "Roy"),
    ]
    assert [change.sync for change in found[:0:-1]] == [sync.id for sync in syncs]
    assert [change.at for change in found[:0:-1]] == [sync.started_at for sync in syncs]
    assert history_of(practice, Model.PATIENT, "3") == []


def test_the_history_of_a_patient_has_the_payments_that_were_or_became_theirs(practice: Practice) -> None:
    both = [patient("1"), patient("2")]
    practice.sync(patients=both, payments=[payment("1", "1"), payment("2", "2"), payment("3", "2"), payment("4", "2")])
    practice.sync(payments=[payment("1", "2"), payment("2", "1"), payment("3", "2", "9"), payment("4", "1")])
    practice.sync(patients=[patient("2")])
    assert shown(history_of(practice, Model.PATIENT, "1")) == [
        (DELETED, "1", patient("1"), None),
        (DELETED, "2", payment("2", "1"), None),
        (DELETED, "4", payment("4", "1"), None),
        (UPDATED, "1", payment("1", "1"), payment("1", "2")),
        (UPDATED, "2", payment("2", "2"), payment("2", "1")),
        (UPDATED, "4", payment("4", "2"), payment("4", "1")),
    ]
    assert shown(history_of(practice, Model.PAYMENT, "2")) == [
        (DELETED, "2", payment("2", "1"), None),
        (UPDATED, "2", payment("2", "2"), payment("2", "1")),
    ]


@pytest.mark.parametrize("limit", [1, 2])
def test_pages_of_a_history_show_each_change_once_in_order(practice: Practice, limit: int) -> None:
    practice.sync(patients=[patient("1"), patient("2")], payments=[payment("1", "1"), payment("2", "1")])
    for number in range(3):
        practice.sync(
            patients=[patient("1", first_name=str(number)), patient("2")],
            payments=[payment("1", "12"[number % 2], str(number)), payment("2", "1", str(number))],
        )
    practice.sync(patients=[patient("2")], payments=[])
    for model, external_id, length in ((Model.PATIENT, "1", 12), (Model.PAYMENT, "2", 4)):
        everything = history_of(practice, model, external_id)
        assert len(everything) == length
        query, seen = HistoryQuery(model, external_id, limit=limit), []
        while True:
            with practice.store.reading() as reader:
                page = reader.history.of_row(query)
            seen += page.items
            if not page.more:
                break
            last = page.items[-1]
            query = HistoryQuery(model, external_id, after=(last.sync, *last.position), limit=limit)
        assert seen == everything


def test_one_payment_is_found_by_its_external_id(practice: Practice) -> None:
    practice.sync(patients=[patient("1")], payments=[payment("a/b", "1", "7.10"), payment("2", "1")])
    with practice.store.reading() as reader:
        assert reader.payments.get("a/b").items == [practice.payments["a/b"]]
        assert reader.payments.get("a").items == []


def history_of(practice: Practice, model: Model, external_id: str) -> list[RowChange]:
    """Return all changes of a row."""
    with practice.store.reading() as reader:
        page = reader.history.of_row(HistoryQuery(model, external_id))
    assert not page.more
    return page.items


def shown(changes: list[RowChange]) -> list[tuple[ChangeKind, str, object, object]]:
    """Return what a reader of the changes looks at."""
    return [(change.kind, change.external_id, change.before, change.after) for change in changes]


def is_of(change: RowChange, model: Model) -> bool:
    """Return whether the change is one of the model's."""
    return change.position[0] is model


def first_name(record: Patient | Payment | None) -> str | None:
    """Return a patient's first name."""
    return record.first_name if isinstance(record, Patient) else None
