"""The files that snapshots are read from: named in errors, shown in the progress, interruptible."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic

import msgspec

from paymentagg.domain.errors import InvalidSnapshot, PaymentAggError, SnapshotTooLarge
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Batch, Snapshot
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Progress
from paymentagg.entrypoints.console.sync_options import STDIN
from paymentagg.entrypoints.console.terminal import Steps, printable
from paymentagg.entrypoints.snapshots.byte_stream import Readable, Reading


class UnreadableInput(PaymentAggError):
    """A snapshot can't be read whole; the message names its file."""

    code = "invalid-snapshot"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class Observers(msgspec.Struct, frozen=True):
    """What watches the reading of a file: signals may interrupt it, the progress and the steps show it."""

    interruption: Interruption
    progress: Progress
    steps: Steps


class InputFile:
    """A file, or standard input, that holds the snapshot of one model; ``name`` is how messages call it.

    Raises:
        UnreadableInput: it can't be opened.
    """

    def __init__(self, model: Model, path: str) -> None:
        self.model = model
        self.name = "standard input" if path == STDIN else printable(path)
        self._path = path
        self._stream: BinaryIO | None = None
        # A named pipe is opened when it is read: its writer may first fill the pipe of the other model.
        if path == STDIN or not Path(path).is_fifo():
            self._stream = self._open()

    def snapshot(
        self, read: Callable[[Readable, Reading], Snapshot[RecordT]], max_bytes: int, observers: Observers
    ) -> "InputSnapshot[RecordT]":
        """Return the snapshot in the file; nothing is read yet."""

        def opened() -> Snapshot[RecordT]:
            stream = _Interruptible(self.opened(), observers.interruption)
            return read(stream, Reading(max_bytes, on_progress=observers.progress.read))

        return InputSnapshot(self, opened, observers)

    def opened(self) -> BinaryIO:
        """Return the open file.

        Raises:
            UnreadableInput: it can't be opened.
        """
        self._stream = self._stream or self._open()
        return self._stream

    def close(self) -> None:
        """Close the file, unless it is standard input."""
        if self._stream is not None and self._path != STDIN:
            self._stream.close()

    def unreadable(self, error: OSError) -> UnreadableInput:
        """Return the error to raise in place of an error of the operating system."""
        return UnreadableInput(self.name, f"the snapshot can't be read: {error.strerror or type(error).__name__}")

    def _open(self) -> BinaryIO:
        if self._path == STDIN:
            if sys.stdin is None:
                raise UnreadableInput(self.name, "the snapshot can't be read: it is closed")
            return sys.stdin.buffer
        try:
            return Path(self._path).open("rb", buffering=0)
        except OSError as error:
            raise self.unreadable(error) from error


class InputSnapshot(Generic[RecordT]):
    """The snapshot in a file; see the port Snapshot.

    Raises:
        UnreadableInput: it can't be read whole.
    """

    def __init__(self, file: InputFile, opened: Callable[[], Snapshot[RecordT]], observers: Observers) -> None:
        self._file = file
        self._opened: Callable[[], Snapshot[RecordT]] = opened
        self._progress = observers.progress
        self._steps = observers.steps

    def digest(self) -> str | None:
        self._steps.begin(f"reading {self._file.name}")
        with self._named_errors():
            digest: str | None = self._opened().digest()
        return digest

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        with self._named_errors():
            snapshot = self._opened()
            self._progress.begin(self._file.name, _size(self._file.opened()))
            for batch in snapshot:
                self._progress.rows(len(batch.records) + len(batch.rejections))
                yield batch
        self._steps.begin(f"comparing and writing {self._file.model.plural}")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Name the file in errors, and end the progress in any case."""
        try:
            yield
        except (InvalidSnapshot, SnapshotTooLarge) as error:
            raise UnreadableInput(self._file.name, str(error)) from error
        except OSError as error:
            raise self._file.unreadable(error) from error
        finally:
            self._progress.end()


class _Interruptible:
    """An open file whose reads raise Interrupted when a signal comes."""

    def __init__(self, stream: BinaryIO, interruption: Interruption) -> None:
        self._descriptor = stream.fileno()
        self._interruption = interruption
        try:
            self._start: int | None = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:  # a pipe or a terminal
            self._start = None

    def seekable(self) -> bool:
        return self._start is not None

    def seek(self, offset: int, /) -> int:
        return os.lseek(self._descriptor, (self._start or 0) + offset, os.SEEK_SET)

    def read(self, size: int, /) -> bytes:
        self._interruption.wait_for(self._descriptor)
        return os.read(self._descriptor, size)


def _size(stream: BinaryIO) -> int | None:
    """Return the size of a file in bytes, None for a pipe or a terminal."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
