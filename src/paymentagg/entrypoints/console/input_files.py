"""The files that snapshots are read from."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Generic

from paymentagg.domain.errors import InvalidSnapshot, PaymentAggError, SnapshotTooLarge
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Batch, Snapshot
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Progress
from paymentagg.entrypoints.console.sync_options import STDIN
from paymentagg.entrypoints.console.terminal import Steps, printable
from paymentagg.entrypoints.snapshots.byte_stream import Readable, Reading


class UnreadableSource(PaymentAggError):
    """A snapshot can't be read whole; the words name its file."""

    code = "invalid-snapshot"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class Source:
    """A file that holds the snapshot of one model.

    Raises:
        UnreadableSource: it can't be opened.
    """

    def __init__(self, model: Model, file: str) -> None:
        self.model = model
        self.name = "standard input" if file == STDIN else printable(file)
        self._file = file
        self._stream: BinaryIO | None = None
        if file == STDIN or not Path(file).is_fifo():
            self._stream = self._open()
        # A pipe is opened when its turn comes: whoever fills it may do so after filling the first one.

    def snapshot(
        self,
        read: Callable[[Readable, Reading], Snapshot[RecordT]],
        max_bytes: int,
        interruption: Interruption,
        progress: Progress,
        steps: Steps,
    ) -> "SourceSnapshot[RecordT]":
        """Return the snapshot, which says how far it is and doesn't wait on when a signal comes."""

        def opened() -> Snapshot[RecordT]:
            stream = self.opened()
            return read(_Interruptible(stream, interruption), Reading(max_bytes, on_progress=progress.read))

        return SourceSnapshot(self, opened, progress, steps)

    def opened(self) -> BinaryIO:
        self._stream = self._stream or self._open()
        return self._stream

    def close(self) -> None:
        if self._stream is not None and self._file != STDIN:
            self._stream.close()

    def _open(self) -> BinaryIO:
        if self._file == STDIN:
            if sys.stdin is None:
                raise UnreadableSource(self.name, "the snapshot can't be read: it is closed")
            return sys.stdin.buffer
        try:
            return Path(self._file).open("rb", buffering=0)
        except OSError as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: OSError) -> UnreadableSource:
        return UnreadableSource(self.name, f"the snapshot can't be read: {error.strerror or type(error).__name__}")


class SourceSnapshot(Generic[RecordT]):
    """The snapshot in a source; see the port Snapshot.

    Raises:
        UnreadableSource: it can't be read whole.
    """

    def __init__(
        self, source: Source, opened: Callable[[], Snapshot[RecordT]], progress: Progress, steps: Steps
    ) -> None:
        self._source = source
        self._opened: Callable[[], Snapshot[RecordT]] = opened
        self._progress = progress
        self._steps = steps

    def digest(self) -> str | None:
        self._steps.begin(f"reading {self._source.name}")
        with self._told():
            digest: str | None = self._opened().digest()
        return digest

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        with self._told():
            snapshot = self._opened()
            self._progress.begin(self._source.name, _size(self._source.opened()))
            for batch in snapshot:
                self._progress.rows(len(batch.records) + len(batch.rejections))
                yield batch
        self._steps.begin(f"comparing and writing {self._source.model.plural}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Name the file in errors, and end the progress in any case."""
        try:
            yield
        except (InvalidSnapshot, SnapshotTooLarge) as error:
            raise UnreadableSource(self._source.name, str(error)) from error
        except OSError as error:
            raise self._source.unreadable(error) from error
        finally:
            self._progress.end()


class _Interruptible:
    """A file whose reads end when a signal comes."""

    def __init__(self, stream: BinaryIO, interruption: Interruption) -> None:
        self._descriptor = stream.fileno()
        self._interruption = interruption
        try:
            self._start: int | None = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        except OSError:  # a pipe, or the like
            self._start = None

    def seekable(self) -> bool:
        return self._start is not None

    def seek(self, offset: int, /) -> int:
        return os.lseek(self._descriptor, (self._start or 0) + offset, os.SEEK_SET)

    def read(self, size: int, /) -> bytes:
        self._interruption.wait_for(self._descriptor)
        return os.read(self._descriptor, size)


def _size(stream: BinaryIO) -> int | None:
    """Return how many bytes a file has, None where that can't be known."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
