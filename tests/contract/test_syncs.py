"""What every SyncRepository answers."""

from builders import patient, payment, rejection
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
