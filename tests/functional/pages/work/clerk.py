"""An owner of work, the files that they upload, and slots for syncs that a test may hold back."""

import threading
from collections.abc import Callable
from typing import Any

from builders import array
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.model import Model
from paymentagg.entrypoints.audit_trail import Caller
from paymentagg.entrypoints.http.concurrency import Concurrency
from paymentagg.entrypoints.pages.work.desk import Desk
from paymentagg.entrypoints.pages.work.owned_work import Work
from paymentagg.entrypoints.pages.work.status import Status
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile

LONG = 60.0
"""Seconds after which a job hangs."""

CALLER = Caller(None, "admin", "127.0.0.1", "POST", "/ui/upload", [])


class Gate:
    """Slots for syncs: while the gate is shut, jobs wait for theirs."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_open.set()
        self.arrived = threading.Event()
        self._take = Concurrency().take_sync_slot

    def shut(self) -> None:
        self.arrived.clear()
        self.is_open.clear()

    def take(self, practice: str | None) -> Callable[..., None]:
        self.arrived.set()
        assert self.is_open.wait(LONG)
        return self._take(practice)


class Clerk:
    """An owner of work, who does one thing after the other."""

    def __init__(self, desk: Desk, owner: str = "a session", caller: Caller = CALLER) -> None:
        self.desk = desk
        self.owner = owner
        self.caller = caller

    def upload(self, limit: str = "100%", **rows: list[Any]) -> Work:
        """Upload files with these rows, and don't wait for the preview."""
        files = {Model(model): file(array(*each)) for model, each in rows.items()}
        return self.desk.upload(self.owner, files, DeletionLimit.parse(limit), self.caller)

    def preview(self, limit: str = "100%", **rows: list[Any]) -> Status:
        """Upload files with these rows; return the status after the preview."""
        return self.upload(limit, **rows).wait(LONG)

    def preview_again(self, limit: str = "100%") -> Status:
        """Return the status after another preview of the same files."""
        return self.desk.preview_again(self.owner, DeletionLimit.parse(limit), self.caller).wait(LONG)

    def preview_undo(self, sync_id: int | None) -> Status:
        """Return the status after the preview of an undo."""
        return self.desk.undo(self.owner, sync_id or 0, self.caller).wait(LONG)

    def apply(self, status: Status) -> Status:
        """Apply the preview of a former status; return the status after that."""
        return self.begin_to_apply(status).wait(LONG)

    def begin_to_apply(self, status: Status) -> Work:
        """Apply the preview of a former status, and don't wait for it."""
        assert status.preview is not None
        return self.desk.apply(self.owner, status.preview.fingerprint, self.caller)


def file(content: bytes, name: str = "rows.json") -> WaitingFile:
    """Return an uploaded file."""
    waiting = WaitingFile(name)
    waiting.write(content)
    return waiting
