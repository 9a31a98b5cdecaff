"""Anonymous files: of uploaded bytes, and of records that are too many for memory."""

import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from builders import patient, payment
from paymentagg.domain.changes import Created, Deleted, Updated
from paymentagg.domain.model import Model
from paymentagg.entrypoints.http.errors import InsufficientStorage
from paymentagg.entrypoints.pages.work import change_lines
from paymentagg.entrypoints.pages.work.change_lines import RowChanged
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.records_file import RecordsFile
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile

CHANGES: list[RowChanged] = [
    Created(Model.PATIENT, "5", patient("5", middle_name='"\n\u2028', date_of_birth=date(1, 1, 1))),
    Updated(Model.PATIENT, "6", patient("6", date_of_birth=None), patient("6", last_name="Ōe")),
    Deleted(Model.PATIENT, "7", patient("7")),
    Created(Model.PAYMENT, "501", payment("501", amount="-0.01")),
    Updated(Model.PAYMENT, "502", payment("502", "5"), payment("502", "6", "9999999999.99")),
    Deleted(Model.PAYMENT, "503", payment("503", amount="7.10")),
]


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow any more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def changes_file(changes: list[RowChanged]) -> RecordsFile[RowChanged]:
    file: RecordsFile[RowChanged] = RecordsFile(change_lines.encode, change_lines.decode)
    for change in changes:
        file.write(change)
    file.finish()
    return file


def test_a_waiting_file_has_no_name_and_is_for_this_process_alone() -> None:
    file = WaitingFile("payments.json")
    file.write(b"[]")
    status = os.fstat(file.stream(lambda: None)._file.fileno())
    assert (status.st_nlink, stat.S_IMODE(status.st_mode)) == (0, 0o600)
    file.close()


def test_what_was_written_is_read_as_often_as_needed() -> None:
    file = WaitingFile("payments.json")
    file.write(b"[1,")
    file.write(b"2]")
    assert file.size == 5
    reads: list[None] = []
    stream, other = file.stream(lambda: reads.append(None)), file.stream(lambda: None)
    assert [stream.read(2), other.read(9), stream.read(9), stream.read(9)] == [b"[1", b"[1,2]", b",2]", b""]
    assert stream.seekable()
    assert stream.seek(1) == 1
    assert stream.read(1) == b"1"
    assert len(reads) == 4
    file.close()
    file.close()
    assert file.closed
    assert file.name == "payments.json"


def test_a_full_disk_is_told_to_the_owner_of_a_file() -> None:
    file = WaitingFile("payments.json")
    with full_disk():
        with pytest.raises(InsufficientStorage):
            file.write(bytes(1 << 20))
        file.write(b"[]")
        with pytest.raises(InsufficientStorage):
            file.stream(lambda: None)
        file.close()
    assert file.closed


def test_a_full_disk_is_told_to_the_writer_of_records() -> None:
    file: RecordsFile[RowChanged] = RecordsFile(lambda _: bytes(1 << 20), change_lines.decode)
    with full_disk():
        with pytest.raises(InsufficientStorage):
            file.write(CHANGES[0])
        file.close()
    small: RecordsFile[RowChanged] = RecordsFile(change_lines.encode, change_lines.decode)
    small.write(CHANGES[0])
    with full_disk():
        with pytest.raises(InsufficientStorage):
            small.finish()
        small.close()


def test_no_folder_for_temporary_files_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(InsufficientStorage):
        WaitingFile("payments.json")
    with pytest.raises(InsufficientStorage):
        changes_file([])


def test_changes_come_back_as_they_were() -> None:
    file = changes_file(CHANGES)
    assert list(file.read()) == CHANGES
    file.close()


def test_records_are_read_several_times_at_once() -> None:
    file = changes_file(CHANGES * 2_000)
    first, second = file.read(), file.read()
    assert [next(first), next(first), next(second)] == [CHANGES[0], CHANGES[1], CHANGES[0]]
    assert sum(1 for _ in first) == 11_998
    assert sum(1 for _ in second) == 11_999
    file.close()


def test_records_that_are_being_read_outlive_the_file_and_others_are_gone() -> None:
    file = changes_file(CHANGES)
    begun = file.read()
    file.close()
    file.close()
    assert list(begun) == CHANGES
    with pytest.raises(NothingWaiting, match="15 minutes"):
        file.read()
