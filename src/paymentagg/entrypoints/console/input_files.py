"""Reads snapshots from files or standard input, with the file's name in errors, progress and interruption."""

import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
from typing_extensions import override

from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidSnapshot, PaymentAggError, SnapshotTooLarge
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Snapshot
from paymentagg.domain.terms import Snapshots
from paymentagg.entrypoints.console.command_line import STDIN
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Progress
from paymentagg.entrypoints.console.terminal import Steps, printable
from paymentagg.entrypoints.snapshots.byte_stream import Readable, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments


class UnreadableInput(PaymentAggError):
    """A snapshot can't be read to its end; the message names its file."""

    code = "invalid-snapshot"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class Observers(msgspec.Struct, frozen=True):
    """Objects that interrupt the reading of a file or show its progress."""

    interruption: Interruption
    progress: Progress
    steps: Steps


class InputFile:
    """A file or standard input with the snapshot of one model; ``name`` is its name in messages.

    Raises:
        UnreadableInput: the file can't be opened.
    """

    def __init__(self, model: Model, path: str) -> None:
        self.model = model
        self.name = "standard input" if path == STDIN else printable(path)
        self._path = path
        self._stream: BinaryIO | None = None
        # Opening a named pipe waits for its writer, which may write to the pipe of the other model first.
        if path == STDIN or not Path(path).is_fifo():
            self._stream = self._open()

    def snapshot(
        self,
        read: Callable[[Readable, Reading], Snapshot[RecordT]],
        max_bytes: int,
        observers: Observers,
        *,
        keep_rows: bool = False,
    ) -> "InputSnapshot[RecordT]":
        """Return the snapshot in the file. It is read during iteration; arguments are those of ``Reading``."""

        def opened() -> Snapshot[RecordT]:
            stream = _Interruptible(self.opened(), observers.interruption)
            return read(stream, Reading(max_bytes, on_progress=observers.progress.read, keep_rows=keep_rows))

        return InputSnapshot(self, opened, observers)

    def opened(self) -> BinaryIO:
        """Return the open file.

        Raises:
            UnreadableInput: the file can't be opened.
        """
        self._stream = self._stream or self._open()
        return self._stream

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if self._stream is not None and self._path != STDIN:
            self._stream.close()

    def unreadable(self, error: OSError) -> UnreadableInput:
        """Return the error to raise in place of an operating system error."""
        return UnreadableInput(self.name, f"the snapshot can't be read: {error.strerror or type(error).__name__}")

    def _open(self) -> BinaryIO:
        if self._path == STDIN:
            if sys.stdin is None:
                raise UnreadableInput(self.name, "the snapshot can't be read: standard input is closed; give a file")
            return sys.stdin.buffer
        try:
            return Path(self._path).open("rb", buffering=0)
        except OSError as error:
            raise self.unreadable(error) from error


def snapshots_in(
    files: Mapping[Model, InputFile], max_bytes: int, observers: Observers, *, keep_rows: bool = False
) -> Snapshots:
    """Return the snapshots in the files; arguments are those of ``InputFile.snapshot``."""
    patients, payments = files.get(Model.PATIENT), files.get(Model.PAYMENT)
    return Snapshots(
        patients.snapshot(read_patients, max_bytes, observers, keep_rows=keep_rows) if patients else None,
        payments.snapshot(read_payments, max_bytes, observers, keep_rows=keep_rows) if payments else None,
    )


class InputSnapshot(Snapshot[RecordT]):
    """The snapshot in a file; implements the port Snapshot.

    Raises:
        UnreadableInput: the snapshot can't be read to its end.
    """

    def __init__(self, file: InputFile, opened: Callable[[], Snapshot[RecordT]], observers: Observers) -> None:
        self._file = file
        self._open: Callable[[], Snapshot[RecordT]] = opened
        self._snapshot: Snapshot[RecordT] | None = None
        self._progress = observers.progress
        self._steps = observers.steps

    @override
    def digest(self) -> str | None:
        if self._snapshot is None:
            self._steps.begin(f"reading {self._file.name}")
            self._progress.enter(f"reading {self._file.name}")
        with self._named_errors():
            return self._opened().digest()

    @override
    def __iter__(self) -> Iterator[Batch[RecordT]]:
        with self._named_errors():
            snapshot = self._opened()
            self._progress.begin(self._file.name, _size(self._file.opened()))
            for batch in snapshot:
                self._progress.rows(len(batch.numbers) + len(batch.rejections))
                yield batch

    def _opened(self) -> Snapshot[RecordT]:
        self._snapshot = self._snapshot or self._open()
        return self._snapshot

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Add the file's name to errors."""
        try:
            yield
        except (InvalidSnapshot, SnapshotTooLarge) as error:
            raise UnreadableInput(self._file.name, str(error)) from error
        except OSError as error:
            raise self._file.unreadable(error) from error


class _Interruptible:
    """An open file whose reads raise Interrupted if a signal arrives."""

    def __init__(self, stream: BinaryIO, interruption: Interruption) -> None:
        self._descriptor = stream.fileno()
        self._interruption = interruption
        try:
            self._start: int | None = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:  # a pipe or a terminal
            self._start = None

    def seekable(self) -> bool:
        """Return whether the file can be read again."""
        return self._start is not None

    def seek(self, offset: int, /) -> int:
        """Continue at ``offset`` bytes from the position at which the file was passed."""
        return os.lseek(self._descriptor, (self._start or 0) + offset, os.SEEK_SET)

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end of the file."""
        self._interruption.wait_for(self._descriptor)
        return os.read(self._descriptor, size)


def _size(stream: BinaryIO) -> int | None:
    """Return the size of a regular file in bytes, None for a pipe or a terminal."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
