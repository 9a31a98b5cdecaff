"""Writes every rejected row to the file of --rejects while the sync runs."""

import errno
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.errors import InvalidParameter, PaymentAggError
from paymentagg.entrypoints.snapshots.row_reader import MAX_ROW_BYTES

_encode = msgspec.json.encode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_KEYS = {"model", "row", "externalId", "field", "code", "message"}
_SQLITE_MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html#magic_header_string
_LONGEST_ROW = MAX_ROW_BYTES + (1 << 16)
"""More bytes than a line about a rejected row has."""


class RejectsUnwritable(PaymentAggError):
    """The file for rejected rows can't be written."""

    code = "unwritable-rejects"
    is_failure = True

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"{path}: the rejected rows can't be written: {error.strerror}")


def check_target(path: str, protected: Iterable[tuple[str, str]], *, overwrite: bool) -> None:
    """Check that writing rejected rows to ``path`` destroys nothing but a former rejects file.

    A path that leads to a file in another way, such as a link or /dev/fd/3, is recognised.

    Args:
        protected: files that may never be written, each with what it is; they needn't exist.
        overwrite: whether any other regular file may be replaced.

    Raises:
        InvalidParameter: it would destroy another file.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise _refusal(path, f"can't be written: {error.strerror}") from error
    if stat.S_ISCHR(mode):
        return  # a terminal or /dev/null keeps nothing
    if stat.S_ISBLK(mode):
        raise _refusal(path, "is a disk")
    identities = _identities(path)
    for other, what in protected:
        if identities & _identities(other):
            raise _refusal(path, f"is {what}, and it would be overwritten")
    if not stat.S_ISREG(mode):
        return
    try:
        with Path(path).open("rb") as file:
            row = file.readline(_LONGEST_ROW)
    except OSError as error:
        raise _refusal(path, f"can't be read, so it might be anything: {error.strerror}") from error
    if row.startswith(_SQLITE_MAGIC):
        raise _refusal(path, "is an SQLite database, and it would be overwritten")
    if row and not overwrite and not _is_rejected_row(row):
        raise _refusal(path, "is not a former rejects file", "; --overwrite replaces it nevertheless")


def _refusal(path: str, reason: str, remedy: str = "") -> InvalidParameter:
    return InvalidParameter("argument --rejects", f"{path} {reason}; give another file{remedy}")


def _identities(path: str) -> set[tuple[object, ...]]:
    """Return what all paths to one file share: its inode if it exists, and its name with the inode of its folder."""
    found: set[tuple[object, ...]] = set()
    real = Path(os.path.realpath(path))
    with suppress(OSError):
        folder = real.parent.stat()
        found.add((folder.st_dev, folder.st_ino, real.name))
    with suppress(OSError):
        file = Path(path).stat()  # of the path itself: the real path of an open file that was deleted doesn't exist
        found.add((file.st_dev, file.st_ino))
    return found


def _is_rejected_row(line: bytes) -> bool:
    try:
        return _fields(line).keys() >= _KEYS
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _own_descriptor(path: str) -> int | None:
    """Return the descriptor of this process that a path such as /dev/fd/3 names, None if it names none."""
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(Path(path).parent)
        path = str(Path(folder, Path(path).name))
        if re.fullmatch(rf"/proc/{os.getpid()}(/task/[0-9]+)?/fd/[0-9]+", path):
            return int(Path(path).name)
        if not Path(path).is_symlink():
            break
        path = str(Path(folder, Path(path).readlink()))
    return None


class RejectsFile:
    """Rejected rows as NDJSON in a file that only its owner can read, since ids of rows are personal data.

    Rows are written to a temporary file in the same folder, and ``keep`` replaces the target with it. If the sync ends
    before that, the target is unchanged. A pipe, a device or an open descriptor (/dev/stdout) is written directly. A
    dry run creates and replaces no file: it writes only to those.

    Raises:
        InvalidParameter: the file can't be created.
        RejectsUnwritable: raised by the methods if writing fails, such as when the disk is full.
    """

    def __init__(self, path: str, *, dry_run: bool = False) -> None:
        self._path = path
        self._dry_run = dry_run
        self._target = Path(os.path.realpath(path))  # replace the target of a symbolic link, not the link
        self._temporary: Path | None = None
        try:
            self._file = self._open()
        except OSError as error:
            raise _refusal(path, f"can't be written: {error.strerror}") from error

    def _open(self) -> IO[bytes]:
        descriptor = _own_descriptor(self._path)
        if descriptor is not None:  # opening its path would fail for a socket, and write over a file from its beginning
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return os.fdopen(os.dup(descriptor), "wb")
        if self._target.exists() and not stat.S_ISREG(self._target.stat().st_mode):
            return self._target.open("wb")  # /dev/null or a pipe must not be replaced by a file
        if self._dry_run:
            self._target.parent.stat()
            return Path(os.devnull).open("wb")
        descriptor, name = tempfile.mkstemp(prefix=f".{self._target.name}.", dir=self._target.parent)  # mode 0600
        self._temporary = Path(name)
        return os.fdopen(descriptor, "wb")

    def write(self, rejection: Rejection) -> None:
        """Append a rejected row; of a ``RejectedRow``, the whole row too."""
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
