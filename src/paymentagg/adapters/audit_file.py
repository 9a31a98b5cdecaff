"""The audit log in an append-only file, which any number of processes and threads write."""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore, Lock

from pyramid.config import Configurator
from typing_extensions import override

from paymentagg.domain.audit_chain import Auditor, Chain, Event, linked, whole
from paymentagg.domain.errors import AuditUnavailable, InvalidParameter

SETTING = "paymentagg.audit_file"
PATIENCE = 3.0
"""How many seconds a thread waits for a lock."""
BRIEF = 0.1
"""How many seconds any number of threads wait for another process, which holds the lock while it writes a line."""
WAITERS = 2
"""How many threads wait for another process longer than that. A server has at least six threads."""
_SECRET = re.compile(rb"[0-9a-f]{64}\s*")
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

    @override
    def pseudonym(self, external_id: str) -> None:
        pass

    @override
    def files(self) -> list[Path]:
        raise InvalidParameter(SETTING, "isn't set, so there is no audit log to search")


class AuditFile(Auditor):
    """An audit log in a file. Each line continues the hash chain from the file's last line, whichever process wrote it.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link in the settings is followed once, here; none that is planted later is
        self._thread_lock = Lock()  # flock locks an open file against others, and threads share one
        self._descriptor = self._open()
        self._size = 0
        self._head: str | None = None
        self._waiters = BoundedSemaphore(WAITERS)
        self._is_stuck = False

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
            new = self._written(linked(event, self._head) + b"\n")
            try:
                os.link(self._path, old)
                new.replace(self._path)
            except BaseException:
                new.unlink()
                raise
        return old

    @override
    def pseudonym(self, external_id: str) -> str:
        try:
            return hmac.new(self._secret, external_id.encode(), hashlib.sha256).hexdigest()
        except OSError as error:
            raise AuditUnavailable(f"the secret beside it: {error.strerror}") from error

    @override
    def files(self) -> list[Path]:
        rotated = re.compile(rf"{re.escape(self._path.stem)}-[0-9]{{8}}T[0-9]{{6}}Z{re.escape(self._path.suffix)}")
        return [*sorted(file for file in self._path.parent.iterdir() if rotated.fullmatch(file.name)), self._path]

    @cached_property
    def _secret(self) -> bytes:
        """The secret for pseudonyms, created if there is none.

        Raises:
            OSError: the file can't be read or created.
            AuditUnavailable: it isn't a secret.
        """
        path = self._path.with_name(f"{self._path.name}.secret")
        if not os.path.lexists(path):
            new = self._written(secrets.token_hex(32).encode())
            with suppress(FileExistsError):  # another process was faster; a link, like O_EXCL, never replaces a file
                os.link(new, path)
            new.unlink()
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
            text = file.read(100)
        if not _SECRET.fullmatch(text):
            raise AuditUnavailable(f"{path.name} beside it isn't a secret; restore it from a backup")
        return bytes.fromhex(text.decode())

    def _written(self, content: bytes) -> Path:
        """Write a new file beside the log, for the owner of the log alone, and return its path.

        mkstemp creates it with O_EXCL and O_NOFOLLOW: root may do this in a folder where others can plant links.
        """
        status = os.fstat(self._descriptor)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink()
            raise
        return Path(name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the exclusive lock on the file that the path names now.

        Raises:
            AuditUnavailable: an operation on the file failed, in the block too.
        """
        try:
            self._lock()
            try:
                yield
            finally:
                self._unlock()
        except OSError as error:
            raise AuditUnavailable(error.strerror or str(error)) from error

    def _lock(self) -> None:
        """Take the locks against other threads and processes.

        The waiting is done by attempts, since nothing could end a ``flock`` that blocks. After ``BRIEF``, which others
        need for a line, only some threads go on waiting, so that the others can answer requests that need no audit
        log. Once a thread has waited in vain, no thread waits until the file was free again.

        Raises:
            AuditUnavailable: another process has held the lock for too long.
        """
        began, pause, is_waiter = time.monotonic(), 0.001, False
        try:
            while not self._try_lock():
                waited = time.monotonic() - began
                self._is_stuck |= waited >= PATIENCE
                if waited >= BRIEF and not is_waiter:
                    is_waiter = self._waiters.acquire(blocking=False)
                if self._is_stuck or (waited >= BRIEF and not is_waiter):
                    raise AuditUnavailable("another process keeps it locked; fuser -v shows which")
                time.sleep(pause)
                pause = min(2 * pause, 0.05)
        finally:
            if is_waiter:
                self._waiters.release()
        self._is_stuck = False

    def _try_lock(self) -> bool:
        """Take both locks without waiting for other processes, and return whether that succeeded."""
        if not self._thread_lock.acquire(timeout=PATIENCE):
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while not self._is_current():
                self._reopen()
        except BlockingIOError:
            self._unlock()
            return False
        except BaseException:
            self._unlock()
            raise
        return True

    def _unlock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._thread_lock.release()

    def _is_current(self) -> bool:
        """Return whether the path still names the open file."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _reopen(self) -> None:
        """Open and lock the file that the path names now. If it is empty, it continues the chain of the old file.

        Raises:
            BlockingIOError: another process holds its lock.
        """
        self._catch_up()
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, 0

    def _open(self) -> int:
        """Open the file for appending, creating it if needed, and return its descriptor."""
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

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
