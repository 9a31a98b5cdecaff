"""The audit log in an append-only file, which any number of processes and threads write."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from pyramid.config import Configurator
from typing_extensions import override

from paymentagg.domain.audit_chain import Auditor, Chain, Event, linked, whole
from paymentagg.domain.errors import AuditUnavailable, InvalidParameter

SETTING = "paymentagg.audit_file"
_TAIL = 4096
"""How many bytes to read first when looking for the last complete line; a line has some hundreds."""


def includeme(config: Configurator) -> None:
    """Set the registry's ``auditor``: the file in the settings, or one that records nothing.

    Raises:
        InvalidParameter: the file can't be opened.
    """
    path = config.registry.paymentagg_settings.audit_file
    try:
        config.registry.auditor = AuditFile(Path(path)) if path else NoAudit()
    except OSError as error:
        raise InvalidParameter(SETTING, f"{path} can't be opened for appending: {error.strerror}") from None


class NoAudit(Auditor):
    """An auditor that records nothing, for installations without an audit log."""

    @override
    def note(self, event: Event, *, durable: bool = False) -> None:
        pass

    @override
    def rotate(self, event: Event) -> Path:
        raise InvalidParameter(SETTING, "isn't set, so there is no audit log to rotate")


class AuditFile(Auditor):
    """An audit log in a file. Each line continues the hash chain from the file's last line, whichever process wrote it.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._thread_lock = Lock()  # flock locks an open file against others, and threads share one
        self._descriptor = self._open()
        self._size = 0
        self._head: str | None = None

    @override
    def note(self, event: Event, *, durable: bool = False) -> None:
        with self._locked():
            line_end = self._catch_up()
            line = linked(event, self._head)
            data = line_end + line + b"\n"
            if os.write(self._descriptor, data) < len(data):
                raise OSError("there was room for a part of a line only")  # the next line continues after that part
            self._size, self._head = os.fstat(self._descriptor).st_size, Chain(line).head
            if durable:
                os.fsync(self._descriptor)

    @override
    def rotate(self, event: Event) -> Path:
        old = self._path.with_name(f"{self._path.stem}-{event.time:%Y%m%dT%H%M%SZ}{self._path.suffix}")
        with self._locked():
            self._catch_up()
            status = os.fstat(self._descriptor)
            # mkstemp creates a file of its own, mode 0600: root may rotate in a folder where others can plant links.
            descriptor, new = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
                    file.write(linked(event, self._head) + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.link(self._path, old)
                Path(new).replace(self._path)
            except BaseException:
                Path(new).unlink()
                raise
        return old

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the exclusive lock on the file that the path names now.

        Raises:
            AuditUnavailable: an operation on the file failed, in the block too.
        """
        try:
            with self._thread_lock:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                try:
                    while not self._is_current():
                        self._reopen()
                    yield
                finally:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise AuditUnavailable(error.strerror or str(error)) from error

    def _is_current(self) -> bool:
        """Return whether the path still names the open file."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        """Open and lock the file that the path names now. If it is empty, it continues the chain of the old file."""
        self._catch_up()
        descriptor = self._open()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0

    def _open(self) -> int:
        """Open the file for appending, creating it if needed, and return its descriptor."""
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _catch_up(self) -> bytes:
        """Read the chain's head if another process has written; return the newline that a torn last line lacks."""
        size = os.fstat(self._descriptor).st_size
        if size == self._size:
            return b""
        lines = self._tail(size)
        # If the file was truncated, continue the chain from the line that is lost, so that verification finds that.
        if size > self._size:
            self._head = Chain(*lines).head
        return b"\n" if size and os.pread(self._descriptor, 1, size - 1) != b"\n" else b""

    def _tail(self, size: int) -> list[bytes]:
        """Return the last complete line and the torn lines after it; all lines if none is complete."""
        length = _TAIL
        while True:
            start = max(0, size - length)
            lines = os.pread(self._descriptor, size - start, start).removesuffix(b"\n").split(b"\n")
            if start:
                del lines[0]  # its beginning was not read
            for index in reversed(range(len(lines))):
                if whole(lines[index]):
                    return lines[index:]
            if not start:
                return lines
            length *= 4
