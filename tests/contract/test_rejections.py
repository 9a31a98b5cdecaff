"""The rejected rows that are kept with the record of each sync."""

import msgspec
import pytest

from builders import patient, payment, rejection
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import issue
from paymentagg.domain.changes import Rejection
from paymentagg.domain.errors import RejectedRows
from paymentagg.domain.history import RejectionsQuery
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Erased
from paymentagg.domain.queries import Page
from paymentagg.domain.report import MAX_KEPT
from practice import MANY, Practice

ODD = [
    rejection(2, None, "not-an-object", None, value="5"),
    rejection(3, "3", "invalid-date", "dateOfBirth", value="31.12.1990"),
    rejection(4, "4", "blank", "lastName", value=""),
    rejection(5, "5", "missing", "lastName"),
    rejection(6, None, "invalid-text", "externalId", value="\\u0000 é \\ \" \t' \U0001f600" + "x" * 80),
    rejection(7, "7", "wrong-type", "firstName", value='{"a":[1,"\\\\N"]}'),
]


def test_rejected_rows_are_kept_as_the_report_lists_them_patients_first(practice: Practice) -> None:
    rows = [payment("1", "1"), payment("1", "1"), payment("2", "nobody")]
    report = practice.sync(patients=[patient("1"), *ODD], payments=rows)
    page = rejections(practice, report.id)
    assert page.items == report.errors
    assert [(each.model, each.row, each.value) for each in page.items] == [
        *((Model.PATIENT, each.row, each.value) for each in ODD),
        (Model.PAYMENT, 2, "1"),
        (Model.PAYMENT, 3, "nobody"),
    ]
    assert not page.more
    assert rejections(practice, report.id, model=Model.PAYMENT).items == report.errors[len(ODD) :]
    assert rejections(practice, report.id, model=Model.PATIENT).items == ODD


def test_pages_follow_one_another_across_the_models(practice: Practice) -> None:
    report = practice.sync(patients=[patient("1"), *ODD], payments=[rejection(9, None, model=Model.PAYMENT)])
    seen: list[Rejection] = []
    page = rejections(practice, report.id, limit=2)
    while page.more:
        assert len(page.items) == 2
        seen += page.items
        page = rejections(practice, report.id, limit=2, after=(seen[-1].model, seen[-1].row))
    assert seen + page.items == report.errors
    after = rejections(practice, report.id, model=Model.PATIENT, after=(Model.PATIENT, 5))
    assert after.items == ODD[4:]


def test_the_first_ten_thousand_are_kept_and_the_rest_is_counted(practice: Practice) -> None:
    bad = [rejection(row, None, model=Model.PAYMENT) for row in range(1, MAX_KEPT + 51)]
    report = practice.sync(patients=[rejection(1, None)], payments=bad)
    assert report.rejected == MAX_KEPT + 51
    kept = rejections(practice, report.id, limit=MANY).items
    assert [(each.model, each.row) for each in kept] == [
        (Model.PATIENT, 1),
        *((Model.PAYMENT, row) for row in range(1, MAX_KEPT)),
    ]


def test_each_sync_has_its_own_and_one_that_is_unknown_has_none(practice: Practice) -> None:
    first = practice.sync(patients=[patient("1"), rejection(2, "2", value="a")])
    second = practice.sync(patients=[patient("1"), rejection(2, "2", value="b")])
    third = practice.sync(patients=[patient("1")])
    assert [each.value for sync in (first, second, third) for each in rejections(practice, sync.id).items] == ["a", "b"]
    assert found(practice, RejectionsQuery((third.id or 0) + 1)) is None


def test_nothing_is_kept_of_a_dry_run_of_a_refused_sync_or_without_history(practice: Practice) -> None:
    practice.sync(patients=[patient("1"), rejection(2, "2")], dry_run=True)
    with pytest.raises(RejectedRows):
        practice.sync(patients=[patient("1"), rejection(2, "2")], strict=True)
    assert practice.syncs == []
    report = practice.sync(patients=[patient("1"), rejection(2, "2")], keep_history=False)
    assert report.rejected == 1
    assert rejections(practice, report.id).items == []


def test_the_syncs_of_an_api_key_are_told_from_all_others(practice: Practice) -> None:
    key, other = (issue(name, Role.SYNCER, days=90, at=practice.now, others=())[0] for name in "ab")
    with practice.store.keys() as keys:
        keys.add(key)
        keys.add(other)
    report = practice.sync(patients=[patient("1"), rejection(2, "2")], by=key.id)
    query = RejectionsQuery(report.id or 0)
    assert found(practice, query, by=key.id) == found(practice, query)
    assert found(practice, query, by=other.id) is None


def test_they_are_pruned_and_forgotten_with_the_changes_and_the_version_tells(practice: Practice) -> None:
    stay, kept = [patient(external_id) for external_id in "6789"], [payment(f"{n}", "6") for n in range(4, 8)]
    practice.sync(patients=[patient("5"), *stay], payments=[payment("1", "5"), *kept])
    long_id = "9" * 200
    report = practice.sync(
        patients=[*stay, rejection(5, "10"), rejection(6, long_id)],
        payments=[*kept, payment("2", "5"), payment("3", long_id)],
    )
    before = rejections(practice, report.id)
    with practice.store.retention() as retention:
        assert retention.forget("5").rejections == 1
        assert retention.forget(long_id).rejections == 2
    after = rejections(practice, report.id)
    assert [(each.model, each.row) for each in after.items] == [(Model.PATIENT, 5)]
    assert after.version != before.version
    (reported,) = (each for each in practice.syncs if each.id == report.id)
    assert {each.value for each in reported.errors} == {None}
    with practice.store.retention() as retention:
        assert retention.prune(practice.now) == Erased(rejections=1)
    assert rejections(practice, report.id).items == []


def found(practice: Practice, query: RejectionsQuery, by: str | None = None) -> Page[Rejection] | None:
    with practice.store.reading() as reader:
        return reader.syncs.rejections(query, by=by)


def rejections(practice: Practice, sync: int | None, **filters: object) -> Page[Rejection]:
    """Return a page of what a sync rejected; ``filters`` are fields of the query."""
    assert sync is not None
    page = found(practice, msgspec.structs.replace(RejectionsQuery(sync), **filters))
    assert page is not None
    return page
