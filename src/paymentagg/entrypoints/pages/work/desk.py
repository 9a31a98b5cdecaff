"""The work of all owners in this process: at most one piece each, and only so many that wait with their files."""

import threading
from collections.abc import Callable, Mapping

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import PreviewOutdated, SyncInProgress
from paymentagg.domain.model import Model
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import Caller
from paymentagg.entrypoints.http.errors import TooManyUploads
from paymentagg.entrypoints.pages.work.errors import NothingWaiting
from paymentagg.entrypoints.pages.work.jobs import Count, Jobs, no_count
from paymentagg.entrypoints.pages.work.owned_work import Work
from paymentagg.entrypoints.pages.work.status import Stage
from paymentagg.entrypoints.pages.work.tasks import Task, Undo, Upload
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile

LIFETIME = 15 * 60.0
"""Seconds for which work is kept after the last thing that its owner did, or after a job."""

PLACES = 8
"""How many pieces of work may hold files at the same time."""


class Desk:
    """Where owners leave their work and find it again. An owner is an opaque text, such as the digest of a session.

    Whether an owner may do what is asked is for the caller to check.

    Args:
        take_sync_slot: as for ``Jobs``.
        count: as for ``Jobs``.
        lifetime: see ``LIFETIME``.
        places: see ``PLACES``.
    """

    def __init__(
        self,
        application: Application,
        take_sync_slot: Callable[[str | None], Callable[..., None]],
        *,
        count: Count = no_count,
        lifetime: float = LIFETIME,
        places: int = PLACES,
    ) -> None:
        self._jobs = Jobs(application, take_sync_slot, count)
        self._settings = application.settings
        self._lifetime = lifetime
        self._places = places
        self._lock = threading.RLock()
        self._works: dict[str, Work] = {}
        self._timers: dict[str, threading.Timer] = {}
        self._open: set[Work] = set()

    def upload(self, owner: str, files: Mapping[Model, WaitingFile], limit: DeletionLimit, caller: Caller) -> Work:
        """Take over the files and preview them, in place of the owner's former work.

        The files are closed even if this raises.

        Raises:
            TooManyUploads: no place is free.
            SyncInProgress: the owner's former work is being applied.
        """
        return self._begin(owner, Upload(files, self._settings.max_upload_bytes), limit, caller)

    def undo(self, owner: str, sync_id: int, caller: Caller) -> Work:
        """Preview the undo of a sync, in place of the owner's former work; errors are those of ``upload``."""
        return self._begin(owner, Undo(sync_id), self._settings.deletion, caller)

    def preview_again(self, owner: str, limit: DeletionLimit, caller: Caller) -> Work:
        """Preview the owner's work again, with this limit; an undo has none. Nothing happens while a job runs.

        Raises:
            NothingWaiting: there is no work that can be previewed again.
        """
        with self._lock:
            work = self._found(owner)
            if not work.status.is_running:
                if not work.status.may_preview_again:
                    raise NothingWaiting
                self._stop_timer(owner)
                work.preview(limit, caller)
            return work

    def apply(self, owner: str, fingerprint: str, caller: Caller) -> Work:
        """Do what was previewed; a repetition has no effect, so a double click does it once.

        Raises:
            PreviewOutdated: the fingerprint isn't that of the present preview.
            NothingWaiting: the owner has no work.
        """
        with self._lock:
            work = self._found(owner)
            if work.applied == fingerprint:
                return work
            preview = work.status.preview
            if work.status.stage is not Stage.PREVIEWED or preview is None or preview.fingerprint != fingerprint:
                raise PreviewOutdated
            self._stop_timer(owner)
            work.apply(preview, caller)
            return work

    def find(self, owner: str) -> Work | None:
        """Return the owner's work, and keep it for another lifetime; None if there is none."""
        with self._lock:
            work = self._works.get(owner)
            if work is not None and not work.status.is_running:
                self._start_timer(owner, work)
            return work

    def cancel(self, owner: str) -> bool:
        """Give up the owner's work, if any; return False if it is being applied: then it goes on."""
        with self._lock:
            work = self._works.get(owner)
            if work is not None and work.status.stage is Stage.APPLYING:
                return False
            self.sign_out(owner)
            return True

    def sign_out(self, owner: str) -> None:
        """Give up the owner's work, if any; if it is being applied, it goes on without its owner."""
        with self._lock:
            self._stop_timer(owner)
            work = self._works.pop(owner, None)
            if work is not None:
                work.give_up()

    def waiting(self) -> int:
        """Return how many pieces of work hold files or run."""
        with self._lock:
            return sum(not work.closed.is_set() for work in self._open)

    def _begin(self, owner: str, task: Task, limit: DeletionLimit, caller: Caller) -> Work:
        try:
            with self._lock:
                if not self.cancel(owner):
                    raise SyncInProgress
                self._open = {work for work in self._open if not work.closed.is_set()}
                if len(self._open) >= self._places:
                    raise TooManyUploads
                work = Work(task, self._jobs, lambda work: self._idle(owner, work))
                self._open.add(work)
                self._works[owner] = work
                work.preview(limit, caller)
                return work
        except BaseException:
            task.close()
            raise

    def _found(self, owner: str) -> Work:
        work = self.find(owner)
        if work is None:
            raise NothingWaiting
        return work

    def _idle(self, owner: str, work: Work) -> None:
        """Keep work whose job is done for a lifetime, if it is still its owner's."""
        with self._lock:
            if self._works.get(owner) is work and not work.status.is_running:
                self._start_timer(owner, work)

    def _start_timer(self, owner: str, work: Work) -> None:
        self._stop_timer(owner)
        timer = threading.Timer(self._lifetime, self._expire, (owner, work))
        timer.daemon = True
        self._timers[owner] = timer
        timer.start()

    def _stop_timer(self, owner: str) -> None:
        timer = self._timers.pop(owner, None)
        if timer is not None:
            timer.cancel()

    def _expire(self, owner: str, work: Work) -> None:
        with self._lock:
            if self._works.get(owner) is work and self._timers.get(owner) is threading.current_thread():
                self.sign_out(owner)
