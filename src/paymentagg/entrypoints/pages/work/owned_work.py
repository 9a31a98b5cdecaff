"""One piece of work: its stages, and the threads in which it is previewed and applied."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused, PaymentAggError
from paymentagg.domain.model import Model
from paymentagg.entrypoints.audit_trail import Caller
from paymentagg.entrypoints.pages.work.errors import Abandoned
from paymentagg.entrypoints.pages.work.jobs import Jobs
from paymentagg.entrypoints.pages.work.preview import Preview, Weighed
from paymentagg.entrypoints.pages.work.progress import Attempt, Progress
from paymentagg.entrypoints.pages.work.status import Stage, Status
from paymentagg.entrypoints.pages.work.tasks import Task, Undo, Upload
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile
from paymentagg.entrypoints.safe_traceback import log_unexpected

log = logging.getLogger(__name__)

Job = Callable[[Attempt, list[Weighed]], Status]
"""Does the work of one attempt, adds what each model would lose to the list, and returns the status that follows."""


class Work:
    """An upload or an undo. Any thread may read it; only its desk makes it go on.

    If the process is asked to end, it waits for an application that runs, up to its commit, and abandons a preview. If
    it is killed, the transaction is rolled back by the database: nothing was changed, and the files are gone.

    Args:
        on_idle: called after each job, in its thread.
    """

    def __init__(self, task: Task, jobs: Jobs, on_idle: Callable[["Work"], None]) -> None:
        self.closed = threading.Event()
        """Set once its files are gone."""
        self._task = task
        self._jobs = jobs
        self._on_idle = on_idle
        self._status = Status(Stage.PREVIEWING)
        self._attempt = Attempt()
        self._applied: str | None = None
        self._is_given_up = False
        self._lock = threading.Lock()
        self._idle = threading.Event()

    @property
    def files(self) -> Mapping[Model, WaitingFile]:
        """The uploaded files, for their names and sizes; none for an undo."""
        return self._task.files if isinstance(self._task, Upload) else {}

    @property
    def undoes(self) -> int | None:
        """The sync that is to be undone; None for an upload."""
        return self._task.sync if isinstance(self._task, Undo) else None

    @property
    def status(self) -> Status:
        """The present status, a value: take it once for all that belongs together."""
        return self._status

    @property
    def progress(self) -> Progress:
        """The progress of the present job, or of the last one."""
        return self._attempt.progress

    @property
    def applied(self) -> str | None:
        """The fingerprint of the preview that is applied, or was; None if none was since the last preview."""
        return self._applied

    def wait(self, seconds: float) -> Status:
        """Wait until no job runs, for at most so many seconds, and return the status."""
        self._idle.wait(seconds)
        return self._status

    def preview(self, limit: DeletionLimit, caller: Caller) -> None:
        """Start a preview; no job may be running."""
        shown = None if isinstance(self._task, Undo) else limit

        def run(attempt: Attempt, losses: list[Weighed]) -> Status:
            preview = self._jobs.preview(self._task, limit, caller, attempt, losses)
            return Status(Stage.PREVIEWED, shown, preview, losses=losses)

        self._applied = None
        # A daemon: a preview has nothing to lose when the process ends.
        self._start(Status(Stage.PREVIEWING, shown), run, daemon=True)

    def apply(self, preview: Preview, caller: Caller) -> None:
        """Start to do what was previewed; no job may be running."""

        def run(attempt: Attempt, _losses: list[Weighed]) -> Status:
            return Status(Stage.DONE, preview.limit, report=self._jobs.apply(self._task, preview, caller, attempt))

        self._applied = preview.fingerprint
        # Not a daemon: Python waits for it before it ends.
        self._start(msgspec.structs.replace(self._status, stage=Stage.APPLYING), run, daemon=False)

    def give_up(self) -> None:
        """Close the files, now or when the present job is done; a preview is abandoned."""
        with self._lock:
            self._is_given_up = True
            if self._status.stage is Stage.PREVIEWING:
                self._attempt.abandon()
            if not self._status.is_running:
                self._close()

    def _start(self, status: Status, run: Job, *, daemon: bool) -> None:
        with self._lock:
            self._attempt = Attempt()
            self._replace(status)
            self._idle.clear()
        thread = threading.Thread(target=self._run, args=(run, self._attempt, status.limit), daemon=daemon)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no more threads
            self._finish(_failed(error, self._attempt, status.limit))

    def _run(self, run: Job, attempt: Attempt, limit: DeletionLimit | None) -> None:
        """Run a job in this thread, whatever happens."""
        losses: list[Weighed] = []
        try:
            status = run(attempt, losses)
        except Abandoned:
            status = Status(Stage.REFUSED, limit)  # nobody sees it
        except PaymentAggError as error:
            status = _refused(error, attempt, limit, losses)
        except BaseException as error:  # noqa: BLE001  # Python would print its message, which may contain data
            status = _failed(error, attempt, limit)
        self._finish(status)

    def _finish(self, status: Status) -> None:
        with self._lock:
            self._replace(status)
            if self._is_given_up or not status.needs_files:
                self._close()
        self._idle.set()
        self._on_idle(self)

    def _replace(self, status: Status) -> None:
        """Set the status, and close the files of a former preview."""
        former, self._status = self._status.preview, status
        if former is not None and former is not status.preview:
            former.close()

    def _close(self) -> None:
        self._task.close()
        if self._status.preview is not None:
            self._status.preview.close()
        self.closed.set()


def _refused(
    error: PaymentAggError, attempt: Attempt, limit: DeletionLimit | None, losses: Sequence[Weighed]
) -> Status:
    if error.is_failure:
        log.warning("%s", error)  # its message contains no data
    weighed = losses if isinstance(error, DeletionRefused) else ()
    return Status(Stage.REFUSED, limit, refusal=error, losses=weighed, unchanged=not attempt.is_committing)


def _failed(error: BaseException, attempt: Attempt, limit: DeletionLimit | None) -> Status:
    log_unexpected(error, attempt.id)
    return Status(Stage.FAILED, limit, incident=attempt.id, unchanged=not attempt.is_committing)
