"""A sync or an undo that was previewed is done only if all that the preview has seen is still so."""

from collections.abc import Iterator

import pytest

from builders import batch, patient, payment
from paymentagg.domain.batches import Batch
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused, Loss, PreviewOutdated
from paymentagg.domain.model import Model, Patient
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Previewed, Snapshots, Terms
from practice import Given, Heard, Practice


@pytest.fixture
def stored(practice: Practice) -> Practice:
    """A practice with two patients and three payments."""
    practice.sync(
        patients=[patient("5"), patient("6")],
        payments=[payment("1", "5"), payment("2", "5"), payment("3", "6")],
    )
    return practice


def previewed(practice: Practice, digest: str = "a") -> Previewed:
    """Preview that patient 7 comes and patient 6 goes."""
    heard = Heard()
    practice.sync(patients=[patient("5"), patient("7")], digest=digest, dry_run=True, listener=heard)
    return heard.previewed


def test_a_preview_sees_the_start_of_the_last_sync_and_the_digests(practice: Practice) -> None:
    assert previewed(practice) == Previewed(None, {Model.PATIENT: "a"})
    report = practice.sync(patients=[patient("5")])
    assert previewed(practice) == Previewed(report.started_at, {Model.PATIENT: "a"})


def test_what_was_previewed_is_done(stored: Practice) -> None:
    seen = previewed(stored)
    report = stored.sync(patients=[patient("5"), patient("7")], digest="a", previewed=seen)
    assert (report.models[Model.PATIENT].created, report.models[Model.PATIENT].deleted) == (1, 1)
    assert list(stored.patients) == ["5", "7"]


def test_the_first_sync_of_all_can_be_previewed(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("7")], digest="a", previewed=previewed(practice))
    assert list(practice.patients) == ["5", "7"]


@pytest.mark.parametrize("rows", [[patient("5")], [patient("5"), patient("6")]], ids=["changes", "changes nothing"])
def test_a_sync_since_the_preview_makes_it_outdated_and_nothing_changes(stored: Practice, rows: list[Patient]) -> None:
    seen = previewed(stored)
    stored.sync(patients=rows)
    before = stored.answers()
    with pytest.raises(PreviewOutdated, match="preview again"):
        stored.sync(patients=[patient("5"), patient("7")], digest="a", previewed=seen)
    assert stored.answers() == before
    stored.sync(patients=[patient("5"), patient("7")], digest="a", previewed=previewed(stored))
    assert list(stored.patients) == ["5", "7"]


def test_a_dry_run_since_the_preview_does_not(stored: Practice) -> None:
    seen = previewed(stored)
    previewed(stored, digest="b")
    stored.sync(patients=[patient("5"), patient("7")], digest="a", previewed=seen)
    assert list(stored.patients) == ["5", "7"]


def test_another_snapshot_than_the_previewed_one_is_refused(stored: Practice) -> None:
    seen = previewed(stored)
    before = stored.answers()
    with pytest.raises(PreviewOutdated):
        stored.sync(patients=[patient("5"), patient("7")], digest="b", previewed=seen)
    assert stored.answers() == before


def test_a_snapshot_that_the_preview_did_not_have_is_refused(stored: Practice) -> None:
    seen = previewed(stored)
    before = stored.answers()
    with pytest.raises(PreviewOutdated):
        stored.sync(patients=[patient("5"), patient("7")], payments=[], digest="a", previewed=seen)
    assert stored.answers() == before


def test_a_sync_without_a_snapshot_that_the_preview_had_is_refused(stored: Practice) -> None:
    heard = Heard()
    stored.sync(patients=[patient("5"), patient("7")], payments=[], digest="a", dry_run=True, listener=heard)
    before = stored.answers()
    with pytest.raises(PreviewOutdated):
        stored.sync(patients=[patient("5"), patient("7")], digest="a", previewed=heard.previewed)
    assert stored.answers() == before


@pytest.mark.parametrize("digest", ["a", "b"])
def test_a_snapshot_from_a_pipe_is_compared_once_it_is_read(stored: Practice, digest: str) -> None:
    class Piped(Given[Patient]):
        is_read = False

        def digest(self) -> str | None:
            return digest if self.is_read else None

        def __iter__(self) -> Iterator[Batch[Patient]]:
            self.is_read = True
            return super().__iter__()

    terms = Terms(DeletionLimit.parse("100%"), previewed=previewed(stored))
    snapshots = Snapshots(Piped(batch([patient("5"), patient("7")])))
    if digest == "a":
        with stored.store.transaction() as transaction:
            synchronize(transaction, snapshots, terms, stored.clock)
        return
    with pytest.raises(PreviewOutdated), stored.store.transaction() as transaction:
        synchronize(transaction, snapshots, terms, stored.clock)
    assert list(stored.patients) == ["5", "6"]


def test_an_undo_that_was_previewed_is_done(stored: Practice) -> None:
    done = stored.sync(patients=[patient("5")])
    heard = Heard()
    stored.undo(done.id, dry_run=True, listener=heard)
    assert heard.begun == [done.started_at]
    stored.undo(done.id, previewed=heard.previewed)
    assert list(stored.patients) == ["5", "6"]


def test_an_undo_is_refused_after_a_sync_that_changed_nothing(stored: Practice) -> None:
    done = stored.sync(patients=[patient("5")])
    heard = Heard()
    stored.undo(done.id, dry_run=True, listener=heard)
    stored.sync(patients=[patient("5")])
    before = stored.answers()
    with pytest.raises(PreviewOutdated):
        stored.undo(done.id, previewed=heard.previewed)
    assert stored.answers() == before


@pytest.mark.parametrize(("limit", "allowed"), [("100%", [2, 3]), ("50%", [1, 1]), ("2", [2, 2])])
def test_each_loss_is_weighed_once_whether_the_guard_refuses_it_or_not(
    stored: Practice, limit: str, allowed: list[int]
) -> None:
    heard = Heard()
    try:
        stored.sync(patients=[patient("6")], payments=[payment("9", "6")], limit=limit, dry_run=True, listener=heard)
        assert limit == "100%"
    except DeletionRefused:
        assert limit != "100%"
    losses = [Loss(Model.PATIENT, stored=2, would_delete=1), Loss(Model.PAYMENT, stored=3, would_delete=3)]
    assert heard.losses == list(zip(losses, allowed, strict=True))


def test_the_payments_that_go_with_their_patients_are_weighed(stored: Practice) -> None:
    heard = Heard()
    stored.sync(patients=[patient("6")], dry_run=True, listener=heard)
    assert heard.losses == [(Loss(Model.PATIENT, 2, 1), 2), (Loss(Model.PAYMENT, 3, 2), 3)]


def test_nothing_is_weighed_where_nothing_is_lost(stored: Practice) -> None:
    heard = Heard()
    stored.sync(patients=[patient("5"), patient("6", first_name="Roy")], listener=heard)
    assert heard.losses == []
