"""What a preview collects while it listens to a dry run."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from builders import patient, payment, rejection
from paymentagg.adapters.audit_file import NoAudit
from paymentagg.domain.changes import Created, Deleted, Updated
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Loss
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.model import Model
from paymentagg.domain.terms import Previewed
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user
from paymentagg.entrypoints.pages.work.collector import Collector, SumChanges
from paymentagg.entrypoints.pages.work.errors import Abandoned, NothingWaiting
from paymentagg.entrypoints.pages.work.preview import LargestLoss, Weighed, fingerprint
from paymentagg.entrypoints.pages.work.progress import Attempt
from practice import Practice

LIMIT = DeletionLimit.parse("50%")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def losses() -> list[Weighed]:
    return []


@pytest.fixture
def collector(losses: list[Weighed]) -> Iterator[Collector]:
    trail = AuditTrail(NoAudit(), "a request", lambda: console_user("a test", []))
    collector = Collector(trail, Attempt(), losses)
    yield collector
    collector.close()


@pytest.fixture
def stored() -> Practice:
    practice = Practice()
    practice.sync(
        patients=[patient("5"), patient("6"), patient("7")],
        payments=[payment("1", "5", "4.00"), payment("2", "6", "1.00"), payment("3", "7", "9.00")],
    )
    return practice


def test_it_has_what_the_dry_run_would_do(stored: Practice, collector: Collector, losses: list[Weighed]) -> None:
    report = stored.sync(
        patients=[patient("5"), patient("6", first_name="Roy"), rejection(3, "8"), patient("9"), patient("10")],
        payments=[payment("1", "6", "4.00"), payment("2", "6", "0.50"), payment("4", "nobody")],
        digest="a",
        dry_run=True,
        listener=collector,
    )
    preview = collector.preview("sync", LIMIT, report)
    assert preview.report == report
    assert preview.previewed == Previewed(stored.syncs[0].started_at, {Model.PATIENT: "a", Model.PAYMENT: "a"})
    assert losses == [Weighed(Loss(Model.PATIENT, 3, 1), 3), Weighed(Loss(Model.PAYMENT, 3, 1), 3)]
    changes = [
        Updated(Model.PATIENT, "6", patient("6"), patient("6", first_name="Roy")),
        Created(Model.PATIENT, "9", patient("9")),
        Created(Model.PATIENT, "10", patient("10")),
        Updated(Model.PAYMENT, "1", payment("1", "5", "4.00"), payment("1", "6", "4.00")),
        Updated(Model.PAYMENT, "2", payment("2", "6", "1.00"), payment("2", "6", "0.50")),
        Deleted(Model.PAYMENT, "3", payment("3", "7", "9.00")),
        Deleted(Model.PATIENT, "7", patient("7")),
    ]
    assert sorted(map(repr, preview.changes())) == sorted(map(repr, changes))
    assert {key: len(rows) for key, rows in preview.first.items()} == {
        (Model.PATIENT, ChangeKind.UPDATED): 1,
        (Model.PATIENT, ChangeKind.CREATED): 2,
        (Model.PATIENT, ChangeKind.DELETED): 1,
        (Model.PAYMENT, ChangeKind.UPDATED): 2,
        (Model.PAYMENT, ChangeKind.DELETED): 1,
    }
    assert preview.first[Model.PAYMENT, ChangeKind.DELETED] == [changes[5]]
    assert list(preview.rejections()) == report.errors
    assert preview.largest_loss == LargestLoss("7", -900)
    assert preview.recognised == {}


def test_it_keeps_the_first_changes_of_each_kind_and_writes_all(collector: Collector) -> None:
    report = Practice().sync(
        patients=[patient(f"{number}") for number in range(120)],
        payments=[payment(f"{number}", "7") for number in range(120)],
        dry_run=True,
        listener=collector,
    )
    preview = collector.preview("sync", LIMIT, report)
    assert [len(rows) for rows in preview.first.values()] == [50, 50]
    assert sum(1 for _ in preview.changes()) == 240
    assert preview.largest_loss is None
    assert preview.largest_loss_known


def test_a_snapshot_that_is_known_is_named_by_its_sync(collector: Collector) -> None:
    practice = Practice()
    done = practice.sync(patients=[patient("5")], digest="a")
    report = practice.sync(patients=[patient("5")], digest="a", dry_run=True, listener=collector)
    assert collector.preview("sync", LIMIT, report).recognised == {Model.PATIENT: done.id}


def test_an_abandoned_preview_ends_where_it_hears_something(stored: Practice, collector: Collector) -> None:
    collector.attempt.abandon()
    with pytest.raises(Abandoned):
        stored.sync(patients=[patient("5")], dry_run=True, listener=collector)


def test_a_closed_preview_has_no_changes_and_no_rejections_any_more(stored: Practice, collector: Collector) -> None:
    preview = collector.preview("sync", LIMIT, stored.sync(patients=[], dry_run=True, listener=collector))
    preview.close()
    for records in (preview.changes, preview.rejections):
        with pytest.raises(NothingWaiting):
            records()


def test_the_largest_loss_is_of_the_sum_and_not_of_one_payment() -> None:
    sums = SumChanges(10)
    sums.add(Deleted(Model.PAYMENT, "1", payment("1", "5", "100.00")))
    sums.add(Created(Model.PAYMENT, "2", payment("2", "5", "99.00")))
    sums.add(Updated(Model.PAYMENT, "3", payment("3", "6", "3.00"), payment("3", "6", "-2.50")))
    assert sums.largest_loss == LargestLoss("6", -550)
    sums.add(Deleted(Model.PAYMENT, "4", payment("4", "6", "-9.00")))
    assert sums.largest_loss == LargestLoss("5", -100)


def test_nobody_loses_where_no_sum_falls() -> None:
    sums = SumChanges(10)
    assert sums.largest_loss is None
    sums.add(Deleted(Model.PAYMENT, "1", payment("1", "5", "0.00")))
    sums.add(Created(Model.PAYMENT, "2", payment("2", "6", "1.00")))
    assert sums.largest_loss is None
    assert sums.is_known


def test_the_largest_loss_of_too_many_patients_is_not_known() -> None:
    sums = SumChanges(2)
    for number in range(4):
        assert sums.is_known is (number < 3)
        sums.add(Deleted(Model.PAYMENT, f"{number}", payment(f"{number}", f"of {number}")))
    assert sums.largest_loss is None


def test_the_fingerprint_changes_with_everything_that_was_previewed() -> None:
    seen = Previewed(NOON, {Model.PATIENT: "a", Model.PAYMENT: "b"})
    others = [
        fingerprint("sync", LIMIT, seen),
        fingerprint("sync", None, seen),
        fingerprint("sync", DeletionLimit.parse("50%", floor=100), seen),
        fingerprint("undo 4", LIMIT, seen),
        fingerprint("sync", LIMIT, Previewed(None, seen.digests)),
        fingerprint("sync", LIMIT, Previewed(NOON, {Model.PATIENT: "b", Model.PAYMENT: "a"})),
    ]
    assert len(set(others)) == len(others)
    assert {len(text) for text in others} == {64}
    turned = Previewed(NOON, {Model.PAYMENT: "b", Model.PATIENT: "a"})
    assert fingerprint("sync", LIMIT, turned) == others[0]
