"""The audit log in a file: its chain continues, whichever process appends and however a process ends."""

import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from auditlog import events, findings
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.app import main
from paymentagg.domain.audit_chain import Event, Finding, Outcome
from paymentagg.domain.errors import AuditUnavailable, InvalidParameter

NOW = datetime(2026, 1, 1, tzinfo=UTC)

APPENDING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.domain.audit_chain import Event, Outcome

log = AuditFile(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    log.note(Event(datetime.now(UTC), f"{sys.argv[3]} {number}", None, None, None, None, None, Outcome.OK))
"""


LIMITED = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from paymentagg.adapters.audit_file import AuditFile
from paymentagg.domain.audit_chain import Event, Outcome
from paymentagg.domain.errors import AuditUnavailable

path = Path(sys.argv[1])
event = Event(datetime.now(UTC), "a request", None, None, None, None, None, Outcome.OK)
log = AuditFile(path)
log.note(event)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        log.note(event)
    except AuditUnavailable as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.note(event)
print("done")
"""
"""Appends to a disk that has room for a line and a half, and later for more."""


def event(request: str = "a request") -> Event:
    return Event(NOW, request, None, "admin", "127.0.0.1", "GET", "/patients", Outcome.OK)


def appending(path: Path, count: int, name: str) -> "subprocess.Popen[bytes]":
    """Start a process that appends events."""
    return subprocess.Popen([sys.executable, "-c", APPENDING, path, str(count), name], stderr=subprocess.PIPE)


def output(process: "subprocess.Popen[bytes]") -> tuple[bytes | None, bytes | None]:
    """Wait until the process ends, and return its standard output and error, None if not piped."""
    return process.communicate(timeout=60)


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    AuditFile(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_and_threads_append_to_one_chain(path: Path) -> None:
    log = AuditFile(path)
    processes = [appending(path, 200, f"process {number}") for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: log.note(event(f"thread {number}")), range(200)))
    for process in processes:
        assert output(process) == (None, b"")
    requests = {line["request"] for line in events(path)}
    assert len(requests) == 800
    assert len(path.read_bytes().splitlines()) == 800


def test_the_next_line_follows_a_torn_one_wherever_it_was_torn(path: Path) -> None:
    log = AuditFile(path)
    log.note(event("first"))
    first = path.read_bytes()
    log.note(event("torn"))
    whole = path.read_bytes()
    for end in range(len(first) + 1, len(whole)):
        path.write_bytes(whole[:end])
        AuditFile(path).note(event("next"))
        torn = Finding.TORN if end < len(whole) - 1 else Finding.FOLLOWS  # at the end, only the newline is missing
        assert findings(path) == [Finding.FOLLOWS, torn, Finding.FOLLOWS]


def test_a_file_that_begins_with_a_torn_line_has_a_chain_too(path: Path) -> None:
    path.write_bytes(b'{"time":')
    AuditFile(path).note(event())
    assert findings(path) == [Finding.TORN, Finding.FOLLOWS]


def test_the_last_whole_line_is_found_behind_much_that_is_torn(path: Path) -> None:
    log = AuditFile(path)
    log.note(event())
    with path.open("ab") as file:
        file.write(b"\n".join([b"x" * 3000] * 20))
    log.note(event())
    assert findings(path) == [Finding.FOLLOWS, *[Finding.TORN] * 20, Finding.FOLLOWS]


def test_a_full_disk_is_told_and_the_chain_goes_on_when_there_is_room_again(path: Path) -> None:
    limited = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=False, timeout=60
    )
    assert limited.stderr == ""
    assert limited.stdout.splitlines() == [
        "the audit log can't be written: there was room for a part of a line only",
        "the audit log can't be written: File too large",
        "done",
    ]
    assert findings(path) == [Finding.FOLLOWS, Finding.TORN, Finding.FOLLOWS]


def test_a_log_that_was_cut_while_a_process_appends_shows_it(path: Path) -> None:
    log = AuditFile(path)
    for _ in range(3):
        log.note(event())
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    log.note(event())
    assert findings(path) == [Finding.FOLLOWS, Finding.FOLLOWS, Finding.BROKEN]


def test_rotating_lets_every_process_go_on_in_the_new_file(path: Path) -> None:
    rotating, other = AuditFile(path), AuditFile(path)
    processes = [appending(path, 300, f"process {number}") for number in range(2)]
    files = []
    for number in range(5):
        other.note(event(f"before {number}"))
        files.append(rotating.rotate(event_at(number)))
        assert files[-1].name == f"audit-20260101T00000{number}Z.jsonl"
        other.note(event(f"after {number}"))
    for process in processes:
        assert output(process) == (None, b"")
    lines = events(*files, path)
    assert len(lines) == 5 * 3 + 600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {path.name, *(file.name for file in files)}


def test_rotating_writes_through_no_link_that_someone_else_has_planted(path: Path, tmp_path: Path) -> None:
    log = AuditFile(path)
    log.note(event())
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    path.with_name(f"{path.name}.new").symlink_to(victim)
    assert len(events(log.rotate(event()), path)) == 2
    assert victim.read_text() == "theirs"
    assert stat.S_IMODE(victim.stat().st_mode) == 0o644


def test_a_file_that_was_moved_away_is_gone_on_from(path: Path) -> None:
    log = AuditFile(path)
    log.note(event())
    moved = path.rename(path.with_name("moved"))
    log.note(event())
    assert len(events(moved, path)) == 2


def test_an_archive_is_not_overwritten(path: Path) -> None:
    log = AuditFile(path)
    log.note(event())
    first = log.rotate(event())
    before = first.read_bytes()
    with pytest.raises(AuditUnavailable, match="File exists"):
        log.rotate(event())
    log.note(event())
    assert first.read_bytes() == before
    assert len(events(first, path)) == 3


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nothing/there")])
def test_a_file_that_cannot_be_opened_stops_the_start(path: Path, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(path)
    settings = {"sqlalchemy.url": f"sqlite:///{tmp_path / 'database.sqlite'}", "paymentagg.audit_file": str(path)}
    with pytest.raises(InvalidParameter, match="can't be opened for appending: "):
        main({}, **settings)


def event_at(second: int) -> Event:
    return structs.replace(event(), time=NOW + timedelta(seconds=second))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"
