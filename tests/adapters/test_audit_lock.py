"""The lock of the audit log: another process that holds it delays nobody for long, and links are never followed."""

import fcntl
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auditlog import events
from paymentagg.adapters import audit_file
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.domain.audit_chain import Event, Outcome
from paymentagg.domain.errors import AuditUnavailable
from server import PATIENCE, serving, until

EVENT = Event(datetime(2026, 1, 1, tzinfo=UTC), "an id", None, "admin", "127.0.0.1", "GET", "/patients", Outcome.OK)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock for the block, as another process would."""
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        yield


def test_a_lock_that_another_process_holds_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_file, "PATIENCE", PATIENCE)
    log = AuditFile(path)
    with ThreadPoolExecutor() as pool:
        with locked(path):
            noting = pool.submit(log.note, EVENT)
            until(noting.running)
        noting.result(PATIENCE)
    assert len(events(path)) == 1


def test_nobody_waits_for_a_lock_for_ever_and_once_that_is_known_nobody_waits_at_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "PATIENCE", 0.01)
    log = AuditFile(path)
    with locked(path):
        with pytest.raises(AuditUnavailable, match="another process keeps it locked"):
            log.note(EVENT)
        monkeypatch.setattr(audit_file, "PATIENCE", 1e9)
        with pytest.raises(AuditUnavailable, match="another process keeps it locked"):
            log.note(EVENT)
    log.note(EVENT)
    assert len(events(path)) == 1


def test_two_threads_wait_and_the_others_stay_free(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_file, "PATIENCE", PATIENCE)
    log = AuditFile(path)
    with ThreadPoolExecutor(8) as pool:
        with locked(path):
            waiting = {pool.submit(log.note, EVENT) for _ in range(8)}
            while len(waiting) > 2:
                done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
                for one in done:
                    assert isinstance(one.exception(), AuditUnavailable)
            assert not any(one.done() for one in waiting)
        for one in waiting:
            one.result(PATIENCE)
    assert len(events(path)) == 2


def test_requests_are_answered_and_the_health_check_too_while_another_process_holds_the_lock(
    tmp_path: Path, sqlite_url: str, path: Path
) -> None:
    with serving(tmp_path / "server", sqlite_url, {"paymentagg.audit_file": str(path)}) as server:
        server.get("/patients")
        with locked(path), ThreadPoolExecutor(20) as pool:
            reads = [pool.submit(server.get, "/patients") for _ in range(20)]
            assert server.get("/health/live").status == 200
            for read in reads:
                answer = read.result(PATIENCE)
                assert (answer.status, answer.code) == (503, "audit-unavailable")
                assert answer.headers["Retry-After"]
        assert server.get("/patients").status == 200


def test_a_log_that_was_moved_away_is_not_created_again_through_a_link(path: Path, tmp_path: Path) -> None:
    log = AuditFile(path)
    log.note(EVENT)
    path.rename(tmp_path / "moved")
    target = tmp_path / "target"
    path.symlink_to(target)
    with pytest.raises(AuditUnavailable):
        log.note(EVENT)
    assert not target.exists()


def test_a_link_in_the_settings_names_the_log_that_it_points_to(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    log = AuditFile(link)
    log.note(EVENT)
    old = log.rotate(EVENT)
    assert old.parent == path.parent
    assert link.readlink() == path
    assert len(events(old, path)) == 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "audit.jsonl"
