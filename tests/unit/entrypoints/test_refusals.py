"""Counting refused requests: no request is lost, and neither the log nor the memory grows with them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from auditlog import events
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.domain.audit_chain import Event, Outcome
from paymentagg.domain.errors import AuditUnavailable
from paymentagg.entrypoints import refusals
from paymentagg.entrypoints.refusals import OTHERS, Refusals
from server import until


def refused(peer: str = "192.0.2.1", status: int = 401, key: str | None = None) -> Event:
    return Event(
        datetime.now(UTC), "an id", key, None, peer, "GET", "/patients", Outcome.REFUSED, code="code", status=status
    )


def total(log: Path) -> int:
    """Return how many requests the lines of a log stand for."""
    return sum(line.get("count", 1) for line in events(log))


def test_each_address_status_and_key_has_a_line_at_once_and_one_with_its_count(log: Path) -> None:
    counted = Refusals(AuditFile(log))
    kinds = [
        ("192.0.2.1", 401, None),
        ("192.0.2.1", 429, None),
        ("192.0.2.2", 401, None),
        ("192.0.2.1", 401, "abcd1234"),
    ]
    for number, kind in enumerate(kinds):
        for _ in range(number + 1):
            counted.note(refused(*kind))
    assert [(line["peer"], line["status"], line["key"]) for line in events(log)] == kinds
    counted.flush()
    assert [(line["peer"], line["status"], line["key"], line["count"]) for line in events(log)[4:]] == [
        (*kind, number) for number, kind in enumerate(kinds) if number
    ]
    counted.flush()
    assert total(log) == 1 + 2 + 3 + 4


def test_the_count_is_written_after_the_window_without_another_request(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "WINDOW", 0.01)
    counted = Refusals(AuditFile(log))
    for minute in (1, 2):
        for _ in range(5):
            counted.note(refused())
        until(lambda expected=5 * minute: total(log) == expected)  # type: ignore[misc]


def test_further_addresses_are_counted_together(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "MAX_KINDS", 10)
    counted = Refusals(AuditFile(log))
    for number in range(1000):
        counted.note(refused(f"2001:db8::{number}"))
    counted.flush()
    lines = events(log)
    assert len(lines) == 12
    assert (lines[-1]["peer"], total(log)) == (OTHERS, 1000)


def test_nothing_is_lost_while_the_log_cannot_be_written(log: Path, tmp_path: Path) -> None:
    folder = log.parent
    auditor = AuditFile(log)
    counted = Refusals(auditor)
    for _ in range(3):
        counted.note(refused())
    away = folder.rename(tmp_path / "away")
    with pytest.raises(AuditUnavailable):
        counted.note(refused("192.0.2.2"))
    counted.flush()
    away.rename(folder)
    counted.note(refused("192.0.2.2"))
    counted.note(refused())
    counted.flush()
    assert total(log) == 5


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "audit.jsonl"
