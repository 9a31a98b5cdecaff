"""Where the bodies of requests are kept while they are received and processed."""

import logging
import tempfile
import threading
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from waitress.utilities import Error

from paymentagg.domain.errors import PaymentAggError
from paymentagg.entrypoints.http.errors import InsufficientStorage, TooManyUploads
from paymentagg.entrypoints.http.problem_codes import PROBLEMS

log = logging.getLogger(__name__)

IN_MEMORY = 512 * 1024
"""Maximum size in bytes of a body that is kept in memory; larger ones are written to a temporary file."""


class BodyStorage:
    """The space for the bodies of all requests of this process, in bytes of memory and of temporary files."""

    def __init__(self, memory: int, disk: int) -> None:
        self.memory = memory
        self.disk = disk
        self.free_memory = memory
        self.free_disk = disk
        self._lock = threading.Lock()

    def take(self, *, memory: int = 0, disk: int = 0) -> bool:
        """Take space and return whether there was enough of it; negative numbers give it back."""
        with self._lock:
            if memory > max(self.free_memory, 0) or disk > max(self.free_disk, 0):
                return False
            self.free_memory -= memory
            self.free_disk -= disk
            return True


class BodyError(Error):
    """A body that can't be kept, in the shape of waitress's errors."""

    def __init__(self, error: PaymentAggError) -> None:
        super().__init__(str(error))
        self.code, self.reason = PROBLEMS[error.code]


class RequestBody:
    """The body of one request: in memory while it is small, then in a temporary file.

    It is written by the event loop and closed by either that or a worker thread.
    """

    def __init__(self, storage: BodyStorage) -> None:
        self.error: BodyError | None = None
        self._storage = storage
        self._file: BinaryIO = BytesIO()
        self._size = 0
        self._is_on_disk = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        """Append to the body; ``error`` is set if there is no space for it, or the disk is full."""
        with self._lock:
            if self.error is not None or self._file.closed:
                return
            try:
                self._write(data)
            except OSError as error:
                log.warning("upload refused: can't write its temporary file: %s", error.strerror)
                self.error = BodyError(InsufficientStorage())

    def getfile(self) -> BinaryIO:
        """Return the body as a file at its start."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Delete the body. Safe to call repeatedly."""
        with self._lock:
            if self._file.closed:
                return
            with suppress(OSError):  # closing flushes, which fails if the disk is full
                self._file.close()
            self._release()

    def _write(self, data: bytes) -> None:
        if not self._is_on_disk:
            fits = self._size + len(data) <= IN_MEMORY
            if fits and self._storage.take(memory=len(data)):
                self._size += self._file.write(data)
                return
            self._move_to_disk()
        if not self._storage.take(disk=len(data)):
            self.error = BodyError(TooManyUploads())
            return
        self._size += len(data)
        self._file.write(data)

    def _move_to_disk(self) -> None:
        in_memory, self._file = self.getfile(), tempfile.TemporaryFile()  # noqa: SIM115  # close() closes it
        self._storage.take(memory=-self._size)
        self._is_on_disk = True
        data = in_memory.read()
        self._size = 0
        self._write(data)

    def _release(self) -> None:
        if self._is_on_disk:
            self._storage.take(disk=-self._size)
        else:
            self._storage.take(memory=-self._size)
