"""Records that are too many for memory: lines of JSON in an anonymous file."""

import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Generic, TypeVar

from paymentagg.entrypoints.http.errors import InsufficientStorage
from paymentagg.entrypoints.pages.work.errors import NothingWaiting

T = TypeVar("T")

_BUFFER_BYTES = 256 * 1024


class RecordsFile(Generic[T]):
    """Records in a file without a name (mode 0600): written first, by one thread, then read by any, in any number.

    Args:
        encode: returns a record as JSON in one line.
        decode: returns the record in such a line.

    Raises:
        InsufficientStorage: the file can't be created.
    """

    def __init__(self, encode: Callable[[T], bytes], decode: Callable[[bytes], T]) -> None:
        self._encode = encode
        self._decode = decode
        self._lock = threading.Lock()
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(buffering=_BUFFER_BYTES)  # noqa: SIM115  # see ``close``
        except OSError as error:
            raise InsufficientStorage from error

    def write(self, record: T) -> None:
        """Append a record.

        Raises:
            InsufficientStorage: the disk is full.
        """
        try:
            self._file.write(self._encode(record) + b"\n")
        except OSError as error:
            raise InsufficientStorage from error

    def finish(self) -> None:
        """Make all records readable; call it after the last one.

        Raises:
            InsufficientStorage: the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise InsufficientStorage from error

    def read(self) -> Iterator[T]:
        """Return all records, decoded one by one. They can be read to their end even if the file is closed meanwhile.

        Raises:
            NothingWaiting: the file is closed.
        """
        with self._lock:  # the number of a closed descriptor may be that of another file
            if self._file.closed:
                raise NothingWaiting
            copy = _Copy(os.dup(self._file.fileno()))
        return self._records(io.BufferedReader(copy, _BUFFER_BYTES))

    def close(self) -> None:
        """Give the records up. May be called more than once."""
        with self._lock, suppress(OSError):  # what was written last doesn't fit on the disk
            self._file.close()

    def _records(self, lines: io.BufferedReader) -> Iterator[T]:
        with lines:
            for line in lines:
                yield self._decode(line)


class _Copy(io.RawIOBase):
    """A file with a position of its own, although its descriptor is a duplicate."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]  # io calls it with nothing else
        size = os.preadv(self._descriptor, [buffer], self._position)
        self._position += size
        return size

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
