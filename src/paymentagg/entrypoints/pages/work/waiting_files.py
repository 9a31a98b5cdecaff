"""Uploaded snapshots while they wait: anonymous files, which end with the process however that ends."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from paymentagg.entrypoints.http.errors import InsufficientStorage
from paymentagg.entrypoints.snapshots.byte_stream import Form


class WaitingFile:
    """The bytes of one snapshot, in a file without a name that only this process can read (mode 0600).

    Args:
        name: how its owner calls it, for display.
        form: the form that was declared; None to recognise it by content.

    Raises:
        InsufficientStorage: the file can't be created.
    """

    def __init__(self, name: str, form: Form | None = None) -> None:
        self.name = name
        self.form = form
        self.size = 0
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by ``close``
        except OSError as error:
            raise InsufficientStorage from error

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            InsufficientStorage: the disk is full.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise InsufficientStorage from error
        self.size += len(data)

    def stream(self, before_read: Callable[[], None]) -> "FileStream":
        """Return what was written as a stream of its own, from the beginning.

        Args:
            before_read: called before each read; may raise an error to end it.

        Raises:
            InsufficientStorage: the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise InsufficientStorage from error
        return FileStream(self._file, before_read)

    @property
    def closed(self) -> bool:
        """Whether the bytes are gone."""
        return self._file.closed

    def close(self) -> None:
        """Give the bytes up. May be called more than once."""
        with suppress(OSError):  # what was written last doesn't fit on the disk
            self._file.close()


class FileStream:
    """The bytes of a file from its beginning, which can be read again; see ``Readable`` and ``Repeatable``."""

    def __init__(self, file: IO[bytes], before_read: Callable[[], None]) -> None:
        self._file = file
        self._before_read = before_read
        self._position = 0

    def seekable(self) -> bool:
        """Return that the bytes can be read again."""
        return True

    def seek(self, offset: int, /) -> int:
        """Continue at ``offset`` bytes from the beginning."""
        self._position = offset
        return offset

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        self._before_read()
        data = os.pread(self._file.fileno(), size, self._position)
        self._position += len(data)
        return data
