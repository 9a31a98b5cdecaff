"""Jobs that fail, and the audit log of all of them."""

import threading
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import URL

from api import PATIENTS, PRIVATE
from auditlog import events
from functional.http.test_unforeseen_errors import Failing
from functional.pages.work.clerk import CALLER, LONG, Clerk, Gate
from paymentagg.adapters.audit_file import NoAudit
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.adapters.sql.wiring import SqlDatabase, database_url
from paymentagg.domain.audit_chain import Event
from paymentagg.domain.errors import AuditUnavailable, StorageUnavailable
from paymentagg.domain.ports import TransactionManager
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.pages.work.desk import Desk
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.status import Stage
from practice import Practice


class BrokenDatabase(SqlDatabase):
    """A database from which a sync can't get its storage."""

    def storage(self, manager: TransactionManager) -> SqlStorage:  # noqa: ARG002  # the port's
        raise RuntimeError(PRIVATE)


class LostAtCommit(SqlDatabase):
    """A database whose connection is lost at COMMIT, with this error."""

    def __init__(self, url: URL, error: Exception) -> None:
        super().__init__(url)
        self._error = error

    def storage(self, manager: TransactionManager) -> SqlStorage:
        manager.get().join(Failing(self._error))
        return super().storage(manager)


class FullLog(NoAudit):
    """An audit log that can't be written."""

    def note(self, event: Event, *, durable: bool = False) -> None:  # noqa: ARG002  # the port's
        raise AuditUnavailable("no space left")


def clerk_of(application: Application, **parts: object) -> Clerk:
    """Return a clerk at a desk with other parts."""
    return Clerk(Desk(msgspec.structs.replace(application, **parts), Gate().take))


def test_an_unexpected_error_shows_an_id_only_and_the_log_shows_where(
    application: Application, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, log: Path
) -> None:
    url = database_url({"sqlalchemy.url": request.getfixturevalue("database_url")})
    clerk = clerk_of(application, database=BrokenDatabase(url))
    work = clerk.upload(patient=PATIENTS)
    status = work.wait(LONG)
    assert (status.stage, status.unchanged, status.may_preview_again) == (Stage.FAILED, True, False)
    assert status.incident is not None
    assert f"internal error {status.incident}" in caplog.text
    assert "RuntimeError" in caplog.text
    assert PRIVATE not in caplog.text
    assert work.closed.wait(LONG)
    begun, ended = events(log)
    assert (begun["request"], ended["request"]) == (status.incident, status.incident)
    assert (ended["outcome"], ended["code"], ended["status"]) == ("failed", "internal", 500)
    with pytest.raises(NothingWaiting):
        clerk.preview_again()


@pytest.mark.parametrize(
    ("error", "stage", "may_preview_again"),
    [(StorageUnavailable("it is gone"), Stage.REFUSED, True), (RuntimeError(PRIVATE), Stage.FAILED, False)],
    ids=["unavailable", "unexpected"],
)
def test_an_error_in_the_commit_does_not_say_that_nothing_was_changed(
    application: Application,
    request: pytest.FixtureRequest,
    practice: Practice,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    stage: Stage,
    may_preview_again: bool,
) -> None:
    url = database_url({"sqlalchemy.url": request.getfixturevalue("database_url")})
    clerk = clerk_of(application, database=LostAtCommit(url, error))
    status = clerk.apply(clerk.preview(patient=PATIENTS))
    assert (status.stage, status.unchanged, status.may_preview_again) == (stage, False, may_preview_again)
    assert practice.patients == {}
    assert ("it is gone" in caplog.text) == (stage is Stage.REFUSED)
    assert PRIVATE not in caplog.text
    clerk.desk.sign_out(clerk.owner)


def test_a_job_that_gets_no_thread_has_failed(
    clerk: Clerk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        patch.setattr(threading.Timer, "start", lambda _: None)
        work = clerk.upload(patient=PATIENTS)
    assert work.status.stage is Stage.FAILED
    assert work.closed.is_set()
    assert "RuntimeError" in caplog.text
    assert clerk.preview(patient=PATIENTS).stage is Stage.PREVIEWED


def test_without_the_line_before_nothing_is_done(application: Application, practice: Practice, log: Path) -> None:
    unlogged = clerk_of(application, auditor=FullLog())
    refused = unlogged.preview(patient=PATIENTS)
    assert isinstance(refused.refusal, AuditUnavailable)
    assert refused.may_preview_again
    assert practice.syncs == []
    assert not log.read_bytes()
    unlogged.desk.sign_out(unlogged.owner)


def test_each_job_has_its_lines_in_the_audit_log(clerk: Clerk, log: Path, practice: Practice) -> None:
    done = clerk.apply(clerk.preview(patient=PATIENTS)).report
    assert done is not None
    clerk.apply(clerk.preview_undo(done.id))
    lines = events(log)
    assert [(line["kind"], line["outcome"], line.get("status")) for line in lines] == [
        ("dry-run", "begun", None),
        ("dry-run", "ok", 200),
        ("sync", "begun", None),
        ("sync", "ok", 200),
        ("dry-run", "begun", None),
        ("dry-run", "ok", 200),
        ("undo", "begun", None),
        ("undo", "ok", 200),
    ]
    assert len({line["request"] for line in lines}) == 4
    assert {(line["key"], line["role"], line["peer"], line["route"]) for line in lines} == {
        (CALLER.key, CALLER.role, CALLER.peer, CALLER.route)
    }
    digests = [line["digests"] for line in lines if "digests" in line]
    assert len(digests) == 2
    assert digests[0] == digests[1]
    assert [line.get("sync") for line in lines if line["outcome"] == "ok"] == [None, 1, None, 2]
    assert lines[3]["counts"]["patients"]["created"] == 3
    assert lines[7]["undoes"] == 1
    assert len(practice.syncs) == 2


def test_a_refusal_and_an_end_on_request_are_in_the_audit_log(
    clerk: Clerk, log: Path, practice: Practice, gate: Gate
) -> None:
    clerk.apply(clerk.preview(patient=PATIENTS))
    clerk.preview("0", patient=PATIENTS[:1])
    assert [events(log)[-1][name] for name in ("outcome", "code", "status")] == ["refused", "deletion-guard", 409]
    gate.shut()
    work = clerk.upload(patient=PATIENTS[1:])
    clerk.desk.cancel(clerk.owner)
    gate.is_open.set()
    assert work.closed.wait(LONG)
    assert [events(log)[-1].get(name) for name in ("outcome", "code", "status")] == ["refused", "interrupted", None]
    assert len(practice.syncs) == 1
