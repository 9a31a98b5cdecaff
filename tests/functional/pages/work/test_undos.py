"""The undo of a sync is previewed, and then done as it was previewed."""

from api import PATIENTS, PAYMENTS
from builders import patient
from functional.pages.work.clerk import LONG, Clerk
from paymentagg.domain.errors import NotUndoable, PreviewOutdated, SyncNotFound
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from paymentagg.entrypoints.pages.work.status import Stage
from practice import Practice


def test_the_undo_of_a_sync_is_previewed_and_done(clerk: Clerk, practice: Practice) -> None:
    done = clerk.apply(clerk.preview(patient=PATIENTS, payment=PAYMENTS)).report
    assert done is not None
    before = practice.answers()
    previewed = clerk.preview_undo(done.id)
    assert (previewed.stage, previewed.limit) == (Stage.PREVIEWED, None)
    assert previewed.preview is not None
    assert previewed.preview.report.undoes == done.id
    assert previewed.preview.report.models == {
        Model.PATIENT: ModelReport(deleted=3),
        Model.PAYMENT: ModelReport(deleted=5),
    }
    assert (previewed.preview.first, list(previewed.preview.changes())) == ({}, [])
    assert practice.answers() == before
    work = clerk.begin_to_apply(previewed)
    assert (work.undoes, work.files) == (done.id, {})
    status = work.wait(LONG)
    assert status.stage is Stage.DONE
    assert status.report == practice.syncs[0]
    assert status.report.undoes == done.id
    assert practice.patients == {}


def test_a_sync_since_the_preview_of_an_undo_makes_it_outdated(clerk: Clerk, practice: Practice) -> None:
    first = practice.sync(patients=[patient("5")])
    previewed = clerk.preview_undo(first.id)
    second = practice.sync(patients=[patient("5"), patient("6")])
    status = clerk.apply(previewed)
    assert isinstance(status.refusal, PreviewOutdated)
    assert list(practice.patients) == ["5", "6"]
    again = clerk.preview_again()
    assert isinstance(again.refusal, NotUndoable)
    assert not again.may_preview_again
    assert clerk.apply(clerk.preview_undo(second.id)).stage is Stage.DONE
    assert list(practice.patients) == ["5"]


def test_the_undo_of_another_sync_has_another_fingerprint(clerk: Clerk, practice: Practice) -> None:
    assert isinstance(clerk.preview_undo(7).refusal, SyncNotFound)
    done = practice.sync(patients=[patient("5")])
    undone = clerk.preview_undo(done.id)
    synced = clerk.preview(patient=PATIENTS)
    assert undone.preview is not None
    assert synced.preview is not None
    assert undone.preview.fingerprint != synced.preview.fingerprint
