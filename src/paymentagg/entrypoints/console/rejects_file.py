"""Writes every rejected row to the file of --rejects while the sync runs."""

import os
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.errors import InvalidParameter, PaymentAggError

_encode = msgspec.json.encode


class RejectsUnwritable(PaymentAggError):
    """The file for rejected rows can't be written."""

    code = "unwritable-rejects"
    is_failure = True

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"{path}: the rejected rows can't be written: {error.strerror}")


class RejectsFile:
    """Rejected rows as NDJSON in a file that only its owner can read, since ids of rows are personal data.

    Rows are written to a temporary file in the same folder, and ``keep`` replaces the target with it. If the sync ends
    before that, the target is unchanged.

    Raises:
        InvalidParameter: the file can't be created.
        RejectsUnwritable: raised by the methods if writing fails, such as when the disk is full.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._target = Path(os.path.realpath(path))  # replace the target of a symbolic link, not the link
        self._temporary: Path | None = None
        try:
            self._file = self._open()
        except OSError as error:
            raise InvalidParameter(
                "argument --rejects", f"{path} can't be written: {error.strerror}; give another file"
            ) from error

    def _open(self) -> IO[bytes]:
        if self._target.exists() and not stat.S_ISREG(self._target.stat().st_mode):
            return self._target.open("wb")  # /dev/null or a pipe must not be replaced by a file
        descriptor, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)  # mode 0600
        self._temporary = Path(name)
        return os.fdopen(descriptor, "wb")

    def write(self, rejection: Rejection) -> None:
        """Append a rejected row."""
        try:
            self._file.write(_encode(rejection) + b"\n")
        except OSError as error:
            raise RejectsUnwritable(self._path, error) from error

    def keep(self) -> None:
        """Replace the target by the rows written so far. Call this once, after the last row."""
        try:
            self._file.close()
            if self._temporary is not None:
                self._temporary.replace(self._target)
                self._temporary = None
        except OSError as error:
            raise RejectsUnwritable(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:
            pass  # the disk is full, which write or keep has reported
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)
