"""How long uploaded files wait, and what ends that."""

import pytest

from api import PATIENTS
from builders import array
from functional.pages.work.clerk import CALLER, LONG, Clerk, Gate, file
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import SyncInProgress
from paymentagg.domain.model import Model
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.http.errors import TooManyUploads
from paymentagg.entrypoints.pages.work.desk import Desk
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.owned_work import Work
from paymentagg.entrypoints.pages.work.status import Stage
from practice import Practice


def is_gone(work: Work) -> bool:
    """Return whether nothing of the upload is left, once it is closed."""
    return work.closed.wait(LONG) and all(each.closed for each in work.files.values())


def test_cancelling_closes_the_files(clerk: Clerk, desk: Desk, practice: Practice) -> None:
    work = clerk.upload(patient=PATIENTS)
    status = work.wait(LONG)
    assert not work.closed.is_set()
    assert desk.cancel(clerk.owner)
    assert is_gone(work)
    assert status.preview is not None
    with pytest.raises(NothingWaiting):
        status.preview.changes()
    assert desk.find(clerk.owner) is None
    with pytest.raises(NothingWaiting):
        clerk.apply(status)
    with pytest.raises(NothingWaiting):
        clerk.preview_again()
    assert desk.cancel(clerk.owner)
    assert practice.patients == {}


def test_cancelling_abandons_a_preview_that_runs(clerk: Clerk, desk: Desk, gate: Gate, practice: Practice) -> None:
    gate.shut()
    work = clerk.upload(patient=PATIENTS)
    assert desk.cancel(clerk.owner)
    assert desk.find(clerk.owner) is None
    assert not work.closed.is_set()
    gate.is_open.set()
    assert is_gone(work)
    assert work.status.preview is None
    assert practice.syncs == []


def test_what_is_being_applied_can_not_be_cancelled(clerk: Clerk, desk: Desk, gate: Gate, practice: Practice) -> None:
    previewed = clerk.preview(patient=PATIENTS)
    gate.shut()
    work = clerk.begin_to_apply(previewed)
    assert not desk.cancel(clerk.owner)
    refused = file(array())
    with pytest.raises(SyncInProgress):
        desk.upload(clerk.owner, {Model.PATIENT: refused}, DeletionLimit.parse("100%"), CALLER)
    assert refused.closed
    assert desk.preview_again(clerk.owner, DeletionLimit.parse("100%"), CALLER) is work
    gate.is_open.set()
    assert work.wait(LONG).stage is Stage.DONE
    assert list(practice.patients) == ["5", "6", "8"]


def test_an_application_outlives_the_session_of_its_owner(
    clerk: Clerk, desk: Desk, gate: Gate, practice: Practice
) -> None:
    previewed = clerk.preview(patient=PATIENTS)
    gate.shut()
    work = clerk.begin_to_apply(previewed)
    desk.sign_out(clerk.owner)
    assert desk.find(clerk.owner) is None
    gate.is_open.set()
    assert work.wait(LONG).stage is Stage.DONE
    assert is_gone(work)
    assert list(practice.patients) == ["5", "6", "8"]


def test_signing_out_closes_the_files(clerk: Clerk, desk: Desk) -> None:
    work = clerk.upload(patient=PATIENTS)
    work.wait(LONG)
    desk.sign_out(clerk.owner)
    assert is_gone(work)


def test_a_new_upload_takes_the_place_of_the_former_one(clerk: Clerk, desk: Desk) -> None:
    first = clerk.upload(patient=PATIENTS)
    first.wait(LONG)
    second = clerk.upload(patient=PATIENTS[:1])
    assert is_gone(first)
    assert desk.find(clerk.owner) is second
    third = desk.undo(clerk.owner, 1, CALLER)
    assert is_gone(second)
    assert third.wait(LONG).stage is Stage.REFUSED


@pytest.mark.parametrize("rows", [PATIENTS, [{"externalId": 5}]], ids=["previewed", "nothing to keep"])
def test_time_closes_the_files_and_ends_the_work_without_another_request(
    application: Application, gate: Gate, rows: list[dict[str, object]]
) -> None:
    desk = Desk(application, gate.take, lifetime=0.01)
    clerk = Clerk(desk)
    gate.shut()
    work = clerk.upload(patient=rows)
    assert desk.find(clerk.owner) is work  # while a job runs, nothing expires
    gate.is_open.set()
    assert is_gone(work)
    assert desk.find(clerk.owner) is None


def test_each_thing_that_the_owner_does_starts_the_time_again(application: Application, gate: Gate) -> None:
    desk = Desk(application, gate.take, lifetime=LONG)
    clerk = Clerk(desk)
    work = clerk.upload(patient=PATIENTS)
    work.wait(LONG)
    assert desk.find(clerk.owner) is work
    first = desk._timers[clerk.owner]
    assert desk.find(clerk.owner) is work
    assert desk._timers[clerk.owner] is not first
    assert first.finished.is_set()
    assert first.daemon
    desk._expire(clerk.owner, work)  # as if the first timer had been too late to be stopped
    assert desk.find(clerk.owner) is work
    desk.sign_out(clerk.owner)
    assert desk._timers == {}


def test_only_so_many_uploads_wait(application: Application, gate: Gate) -> None:
    desk = Desk(application, gate.take, places=2)
    clerks = [Clerk(desk, f"session {number}") for number in range(4)]
    for clerk in clerks[:2]:
        assert clerk.preview(patient=PATIENTS).stage is Stage.PREVIEWED
    refused = file(array(*PATIENTS))
    with pytest.raises(TooManyUploads):
        desk.upload(clerks[2].owner, {Model.PATIENT: refused}, DeletionLimit.parse("100%"), CALLER)
    assert refused.closed
    assert clerks[1].preview(patient=PATIENTS[:1]).stage is Stage.PREVIEWED  # in place of the former
    desk.cancel(clerks[0].owner)
    previewed = clerks[2].preview(patient=PATIENTS)
    assert clerks[2].apply(previewed).stage is Stage.DONE
    assert clerks[3].preview(patient=PATIENTS).stage is Stage.PREVIEWED  # what is done needs no place
    for clerk in clerks:
        desk.sign_out(clerk.owner)
