"""The audit log as a file that is only ever appended to, by any number of processes and threads."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from pyramid.config import Configurator

from paymentagg.domain.audit_chain import Chain, Event, linked, whole
from paymentagg.domain.errors import AuditUnavailable, InvalidParameter

SETTING = "paymentagg.audit_file"
_TAIL = 4096
"""How many bytes are read at first to find the last line, which has some hundreds."""


def includeme(config: Configurator) -> None:
    """Set the registry's ``auditor``: the file of the settings, or none.

    Raises:
        InvalidParameter: the file can't be opened.
    """
    path = config.registry.paymentagg_settings.audit_file
    try:
        config.registry.auditor = AuditFile(Path(path)) if path else NoAudit()
    except OSError as error:
        raise InvalidParameter(SETTING, f"{path} can't be opened for appending: {error.strerror}") from None


class NoAudit:
    """See the port Auditor; for those who keep no log."""

    def note(self, event: Event, *, durable: bool = False) -> None:
        pass

    def rotate(self, event: Event) -> Path:  # noqa: ARG002  the signature is the port's
        raise InvalidParameter(SETTING, "names no file, so there is no audit log to rotate")


class AuditFile:
    """See the port Auditor. What it appends follows what the file ends with, whoever wrote that.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._threads = Lock()  # flock is between open files, and threads share one
        self._descriptor = self._open()
        self._size = 0
        self._head: str | None = None

    def note(self, event: Event, *, durable: bool = False) -> None:
        with self._locked():
            end_of_torn = self._read_on()
            line = linked(event, self._head)
            data = end_of_torn + line + b"\n"
            if os.write(self._descriptor, data) < len(data):
                raise OSError("there was room for a part of a line only")  # the next one will follow that part
            self._size, self._head = os.fstat(self._descriptor).st_size, Chain(line).head
            if durable:
                os.fsync(self._descriptor)

    def rotate(self, event: Event) -> Path:
        old = self._path.with_name(f"{self._path.stem}-{event.time:%Y%m%dT%H%M%SZ}{self._path.suffix}")
        new = self._path.with_name(f"{self._path.name}.new")
        with self._locked():
            self._read_on()
            status = os.fstat(self._descriptor)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                os.fchown(file.fileno(), status.st_uid, status.st_gid)  # who rotates may be root
                file.write(linked(event, self._head) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(self._path, old)
            new.replace(self._path)
        return old

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one who appends, to the file that goes by the path now."""
        try:
            with self._threads:
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
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        """Go on in the file that has taken the place of this one; if that is empty, after the end of this one."""
        self._read_on()
        descriptor = self._open()
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _read_on(self) -> bytes:
        """Learn what the file ends with, where others have written; return what ends a torn line."""
        size = os.fstat(self._descriptor).st_size
        if size == self._size:
            return b""
        lines = self._tail(size)
        if size > self._size:  # else somebody has cut it: going on from what is missing lets that show
            self._head = Chain(*lines).head
        return b"\n" if size and os.pread(self._descriptor, 1, size - 1) != b"\n" else b""

    def _tail(self, size: int) -> list[bytes]:
        """Return the last whole line and the torn ones after it; where there is no whole one, all of them."""
        length = _TAIL
        while True:
            start = max(0, size - length)
            lines = os.pread(self._descriptor, size - start, start).removesuffix(b"\n").split(b"\n")
            if start:
                del lines[0]  # it begins before what was read
            for place in reversed(range(len(lines))):
                if whole(lines[place]):
                    return lines[place:]
            if not start:
                return lines
            length *= 4
