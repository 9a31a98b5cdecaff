"""The file that --rejects names: every rejected row, written while the sync runs."""

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
    """Rejected rows as NDJSON in a file that only its owner can read: ids of rows are personal data.

    They go to a temporary file beside it, which takes its place when all rows are known (``keep``). A sync that ends
    earlier leaves what was there before.

    Raises:
        InvalidParameter: there can't be such a file.
        RejectsUnwritable: from the methods; the disk is full, or the like.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._target = Path(os.path.realpath(path))  # a symbolic link stays one
        self._temporary: Path | None = None
        try:
            self._file = self._open()
        except OSError as error:
            raise InvalidParameter("argument --rejects", f"{path} can't be written: {error.strerror}") from error

    def _open(self) -> IO[bytes]:
        if self._target.exists() and not stat.S_ISREG(self._target.stat().st_mode):
            return self._target.open("wb")  # /dev/null, a pipe: they can't be replaced, or worse, can
        descriptor, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)  # mode 0600
        self._temporary = Path(name)
        return os.fdopen(descriptor, "wb")

    def write(self, rejection: Rejection) -> None:
        try:
            self._file.write(_encode(rejection) + b"\n")
        except OSError as error:
            raise RejectsUnwritable(self._path, error) from error

    def keep(self) -> None:
        """Put the rows in their place; they are all there."""
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
            pass  # the disk is full, which write or keep has said
        finally:
            if self._temporary is not None:
                self._temporary.unlink(missing_ok=True)
