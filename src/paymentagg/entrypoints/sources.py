"""The files that snapshots are read from."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from paymentagg.domain.errors import InvalidSnapshot, PaymentAggError, SnapshotTooLarge
from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Batch
from paymentagg.entrypoints.arguments import STDIN
from paymentagg.entrypoints.interruption import Interruption
from paymentagg.entrypoints.progress import Progress
from paymentagg.entrypoints.terminal import Steps, printable
from paymentagg.entrypoints.transport import Readable, Reading


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

    def batches(
        self,
        read: Callable[[Readable, Reading], Iterator[Batch[RecordT]]],
        max_bytes: int,
        interruption: Interruption,
        progress: Progress,
        steps: Steps,
    ) -> Iterator[Batch[RecordT]]:
        """Yield the snapshot's rows, and say how far it is, without waiting on when a signal comes.

        Raises:
            UnreadableSource: it can't be read whole.
        """
        steps.begin(f"reading {self.name}")
        try:
            stream = self._stream = self._stream or self._open()
            progress.begin(self.name, _size(stream))
            for batch in read(_Interruptible(stream, interruption), Reading(max_bytes, on_progress=progress.read)):
                progress.rows(len(batch.records) + len(batch.rejections))
                yield batch
        except (InvalidSnapshot, SnapshotTooLarge) as error:
            raise UnreadableSource(self.name, str(error)) from error
        except OSError as error:
            raise self._unreadable(error) from error
        finally:
            progress.end()
        steps.begin(f"comparing and writing {self.model.plural}")

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
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> UnreadableSource:
        return UnreadableSource(self.name, f"the snapshot can't be read: {error.strerror or type(error).__name__}")


class _Interruptible:
    """A file whose reads end when a signal comes."""

    def __init__(self, stream: BinaryIO, interruption: Interruption) -> None:
        self._descriptor = stream.fileno()
        self._interruption = interruption

    def read(self, size: int, /) -> bytes:
        self._interruption.wait_for(self._descriptor)
        return os.read(self._descriptor, size)


def _size(stream: BinaryIO) -> int | None:
    """Return how many bytes a file has, None where that can't be known."""
    status = os.fstat(stream.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
