"""An upload is previewed, and then applied as it was previewed."""

import logging
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from api import PATIENTS, PAYMENTS
from auditlog import events
from builders import patient, patient_row, payment, payment_row
from functional.pages.work.clerk import CALLER, LONG, Clerk, Gate, file
from keyring import Keyring
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from paymentagg.domain.changes import Deleted, Updated
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import (
    DeletionRefused,
    InvalidSnapshot,
    Loss,
    PreviewOutdated,
    SyncInProgress,
)
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.pages.work.desk import Desk
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.preview import LargestLoss, Weighed
from paymentagg.entrypoints.pages.work.progress import Progress
from paymentagg.entrypoints.pages.work.status import Stage
from paymentagg.entrypoints.snapshots.byte_stream import Form
from practice import Practice

FEWER = [*PAYMENTS[1:4], payment_row("602", "6", "9.20")]
"""Payment 501 is missing, 602 has another amount."""


@pytest.fixture
def stored(clerk: Clerk, practice: Practice) -> Practice:
    """The practice with its first rows, which were uploaded."""
    status = clerk.apply(clerk.preview(patient=PATIENTS, payment=PAYMENTS))
    assert status.stage is Stage.DONE
    return practice


def test_a_preview_shows_what_would_change_and_changes_nothing(clerk: Clerk, stored: Practice) -> None:
    before = stored.answers()
    status = clerk.preview(payment=[*FEWER, payment_row("x", "nobody")])
    assert (status.stage, status.limit, status.may_preview_again) == (
        Stage.PREVIEWED,
        DeletionLimit.parse("100%"),
        True,
    )
    preview = status.preview
    assert preview is not None
    assert (preview.report.id, preview.report.dry_run) == (None, True)
    assert preview.report.models == {
        Model.PAYMENT: ModelReport(rows=5, updated=1, unchanged=3, rejected=1, deleted=1),
    }
    updated = Updated(Model.PAYMENT, "602", payment("602", "6", "0.20"), payment("602", "6", "9.20"))
    deleted = Deleted(Model.PAYMENT, "501", payment("501", "5", "4.46"))
    assert preview.first == {
        (Model.PAYMENT, ChangeKind.UPDATED): [updated],
        (Model.PAYMENT, ChangeKind.DELETED): [deleted],
    }
    assert set(map(repr, preview.changes())) == {repr(updated), repr(deleted)}
    assert [each.code for each in preview.rejections()] == ["unknown-patient"]
    assert list(preview.rejections()) == preview.report.errors
    assert preview.largest_loss == LargestLoss("5", -446)
    assert status.losses == [Weighed(Loss(Model.PAYMENT, stored=5, would_delete=1), 5)]
    assert stored.answers() == before


def test_what_was_previewed_is_applied(clerk: Clerk, stored: Practice) -> None:
    previewed = clerk.preview(payment=FEWER)
    assert previewed.preview is not None
    work = clerk.begin_to_apply(previewed)
    status = work.wait(LONG)
    assert status.stage is Stage.DONE
    assert status.report == stored.syncs[0]
    assert status.report is not None
    assert status.report.models == previewed.preview.report.models
    assert stored.totals["6"] == "9.30"
    assert list(stored.payments) == ["502", "503", "601", "602"]
    assert {change.kind for change in stored.changes(status.report.id)} == {ChangeKind.UPDATED, ChangeKind.DELETED}
    assert work.closed.is_set()
    assert [each.closed for each in work.files.values()] == [True]
    with pytest.raises(NothingWaiting):
        previewed.preview.changes()


def test_an_applied_upload_is_recorded_under_the_key_of_its_owner(desk: Desk, keys: Keyring, log: Path) -> None:
    token = api_keys.parse(keys.key(Role.ADMIN))
    assert token is not None
    key = token.key_id
    clerk = Clerk(desk, caller=msgspec.structs.replace(CALLER, key=key))
    assert clerk.apply(clerk.preview(patient=PATIENTS)).stage is Stage.DONE
    with keys.store.engine.connect() as connection:
        assert connection.scalars(sa.text("SELECT key_id FROM syncs")).all() == [key]
    assert {line["key"] for line in events(log)} == {key}


def test_rows_that_change_are_not_kept_where_no_history_is(
    application: Application, gate: Gate, stored: Practice
) -> None:
    settings = msgspec.structs.replace(application.settings, history_days=0)
    clerk = Clerk(Desk(msgspec.structs.replace(application, settings=settings), gate.take))
    status = clerk.apply(clerk.preview(payment=FEWER))
    assert status.report is not None
    assert stored.changes(status.report.id) == []


def test_a_sync_between_preview_and_application_makes_the_preview_outdated(clerk: Clerk, stored: Practice) -> None:
    previewed = clerk.preview(payment=FEWER)
    stored.sync(patients=[patient("5"), patient("6"), patient("8")])
    before = stored.answers()
    status = clerk.apply(previewed)
    assert (status.stage, status.unchanged, status.may_preview_again) == (Stage.REFUSED, True, True)
    assert isinstance(status.refusal, PreviewOutdated)
    assert stored.answers() == before
    again = clerk.preview_again()
    assert again.preview is not None
    assert previewed.preview is not None
    assert again.preview.fingerprint != previewed.preview.fingerprint
    assert clerk.apply(again).stage is Stage.DONE
    assert list(stored.payments) == ["502", "503", "601", "602"]


def test_a_refusal_by_the_guard_names_the_losses_and_another_limit_lets_it_pass(clerk: Clerk, stored: Practice) -> None:
    before = stored.answers()
    status = clerk.preview("20%", patient=PATIENTS, payment=PAYMENTS[:1])
    assert (status.stage, status.preview, status.may_preview_again) == (Stage.REFUSED, None, True)
    assert isinstance(status.refusal, DeletionRefused)
    assert status.losses == [Weighed(Loss(Model.PAYMENT, stored=5, would_delete=4), 1)]
    assert stored.answers() == before
    again = clerk.preview_again("80%")
    assert again.losses == [Weighed(Loss(Model.PAYMENT, stored=5, would_delete=4), 4)]
    assert clerk.apply(again).stage is Stage.DONE
    assert list(stored.payments) == ["501"]


def test_another_limit_makes_another_preview(clerk: Clerk) -> None:
    first = clerk.preview(patient=PATIENTS)
    second = clerk.preview_again("50%")
    assert second.limit == DeletionLimit.parse("50%")
    with pytest.raises(PreviewOutdated):
        clerk.apply(first)
    assert clerk.apply(second).stage is Stage.DONE


def test_a_file_that_cannot_be_read_is_refused_and_not_kept(clerk: Clerk, practice: Practice) -> None:
    work = clerk.desk.upload(
        "a session", {Model.PATIENT: file(b'[{"externalId": "5"')}, DeletionLimit.parse("100%"), CALLER
    )
    status = work.wait(LONG)
    assert (status.stage, status.may_preview_again) == (Stage.REFUSED, False)
    assert isinstance(status.refusal, InvalidSnapshot)
    assert work.closed.is_set()
    with pytest.raises(NothingWaiting):
        clerk.preview_again()
    assert practice.patients == {}


def test_a_declared_form_and_the_limit_of_bytes_hold(clerk: Clerk) -> None:
    upload = file(b"[]")
    upload.form = Form.NDJSON
    work = clerk.desk.upload("a session", {Model.PATIENT: upload}, DeletionLimit.parse("100%"), CALLER)
    assert isinstance(work.wait(LONG).refusal, InvalidSnapshot)


def test_the_same_files_as_last_time_are_recognised(clerk: Clerk, stored: Practice) -> None:
    status = clerk.preview(patient=PATIENTS, payment=PAYMENTS)
    assert status.preview is not None
    assert status.preview.recognised == {Model.PATIENT: stored.syncs[0].id, Model.PAYMENT: stored.syncs[0].id}
    assert not status.preview.report.changed


def test_a_stale_tab_does_not_apply_another_upload(clerk: Clerk, practice: Practice) -> None:
    first = clerk.preview(patient=PATIENTS)
    second = clerk.preview(patient=PATIENTS[:1])
    with pytest.raises(PreviewOutdated):
        clerk.apply(first)
    assert practice.patients == {}
    assert clerk.apply(second).stage is Stage.DONE
    assert list(practice.patients) == ["5"]


def test_a_double_click_applies_once(clerk: Clerk, practice: Practice, gate: Gate) -> None:
    previewed = clerk.preview(patient=PATIENTS)
    gate.shut()
    work = clerk.begin_to_apply(previewed)
    assert clerk.begin_to_apply(previewed) is work
    assert work.status.stage is Stage.APPLYING
    assert work.status.preview is previewed.preview
    gate.is_open.set()
    assert work.wait(LONG).stage is Stage.DONE
    assert clerk.apply(previewed).stage is Stage.DONE
    assert len(practice.syncs) == 1


def test_without_a_slot_the_files_are_kept_for_another_try(clerk: Clerk, gate: Gate) -> None:
    releases = [gate.take(None), gate.take(None)]
    status = clerk.preview(patient=PATIENTS)
    assert isinstance(status.refusal, SyncInProgress)
    assert status.may_preview_again
    for release in releases:
        release()
    assert clerk.preview_again().stage is Stage.PREVIEWED
    for release in [gate.take(None), gate.take(None)]:
        release()


def test_the_progress_says_what_is_waited_for(clerk: Clerk, gate: Gate) -> None:
    gate.shut()
    work = clerk.upload(patient=PATIENTS)
    assert gate.arrived.wait(LONG)
    assert work.status.is_running
    progress = work.progress
    assert msgspec.structs.replace(progress, seconds=0.0) == Progress("waiting for other syncs", None, 0.0)
    assert work.wait(0.0).stage is Stage.PREVIEWING
    gate.is_open.set()
    assert work.wait(LONG).stage is Stage.PREVIEWED
    assert work.progress.phase == "counting the changes of patients"
    assert work.progress.seconds >= progress.seconds


def test_the_log_has_the_counts_of_a_sync_and_no_data(clerk: Clerk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paymentagg"):
        clerk.apply(clerk.preview(patient=[patient_row("no-id-in-logs", firstName="Eldon")]))
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("paymentagg")]
    assert lines[0].startswith("sync (dry run): patients: 1 created, ")
    assert lines[1].startswith("sync 1: patients: 1 created, ")
    assert len(lines) == 2
    assert "no-id-in-logs" not in caplog.text


def test_two_owners_do_not_see_each_others_work(desk: Desk, clerk: Clerk, practice: Practice) -> None:
    other = Clerk(desk, "another session")
    mine = clerk.preview(patient=PATIENTS)
    assert desk.find("another session") is None
    with pytest.raises(NothingWaiting):
        other.apply(mine)
    theirs = other.preview(patient=PATIENTS[:1])
    with pytest.raises(PreviewOutdated):
        other.apply(mine)
    assert desk.cancel("another session")
    assert clerk.apply(mine).stage is Stage.DONE
    with pytest.raises(NothingWaiting):
        other.apply(theirs)
    assert list(practice.patients) == ["5", "6", "8"]
