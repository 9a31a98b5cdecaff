"""The contract of SyncRepository."""

from builders import patient, payment, rejection
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import issue
from practice import Practice


def test_the_record_of_a_sync_is_its_report(practice: Practice) -> None:
    report = practice.sync(patients=[patient("5"), rejection(2, "6")], payments=[payment("1"), payment("1")])
    assert report.id is not None
    with practice.store.reading() as reader:
        assert reader.syncs.get(report.id).items == [report]
        assert reader.syncs.get(report.id + 1).items == []


def test_syncs_come_newest_first_in_pages(practice: Practice) -> None:
    reports = [practice.sync(patients=[patient("5", first_name=name)]) for name in ("Rick", "Rick", "Roy")]
    with practice.store.reading() as reader:
        page = reader.syncs.page(limit=2)
        assert page.items == reports[:0:-1]
        assert page.more
        page = reader.syncs.page(limit=2, before=page.items[-1].id)
        assert page.items == reports[:1]
        assert not page.more


def test_the_version_changes_with_each_sync_that_changes_a_row_and_only_then(practice: Practice) -> None:
    def version() -> str:
        with practice.store.reading() as reader:
            return reader.syncs.version()

    versions = [version()]
    practice.sync(patients=[patient("5")])
    versions.append(version())
    practice.sync(patients=[patient("5", first_name="Roy")])
    versions.append(version())
    practice.sync(payments=[payment("1")])
    versions.append(version())
    assert len(set(versions)) == 4

    practice.sync(payments=[payment("1")])
    practice.sync(patients=[], dry_run=True)
    assert version() == versions[-1]


def test_the_version_of_the_record_changes_with_every_sync(practice: Practice) -> None:
    def version() -> str:
        with practice.store.reading() as reader:
            return reader.syncs.page().version

    versions = [version()]
    for _ in range(2):
        practice.sync(patients=[patient("5")])
        versions.append(version())
    assert len(set(versions)) == 3


def test_the_syncs_of_one_api_key_are_told_from_all_others(practice: Practice) -> None:
    first, second = (issue(name, Role.SYNCER, days=90, at=practice.now, others=())[0] for name in "ab")
    with practice.store.keys() as keys:
        keys.add(first)
        keys.add(second)
    reports = [practice.sync(patients=[patient("5")], by=by) for by in (first.id, second.id, None, first.id)]
    with practice.store.reading() as reader:
        assert reader.syncs.page().items == reports[::-1]
        assert reader.syncs.page(by=first.id).items == [reports[3], reports[0]]
        assert reader.syncs.page(by=first.id, before=reports[3].id, limit=1).items == [reports[0]]
        assert reader.syncs.page(by="unknown1").items == []
        assert reports[1].id is not None
        assert reader.syncs.get(reports[1].id, by=second.id).items == [reports[1]]
        assert reader.syncs.get(reports[1].id, by=first.id).items == []
