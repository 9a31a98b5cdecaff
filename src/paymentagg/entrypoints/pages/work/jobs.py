"""Runs a preview or an application, between its lines in the audit log, as a request to the API would be run.

Each runs in one transaction of its own, so whenever the process ends, even by ``kill -9``, the stored rows are those
before or those after, and a preview changes nothing.
"""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import AuditUnavailable, PaymentAggError
from paymentagg.domain.report import Report
from paymentagg.domain.terms import Terms
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import AuditTrail, Caller, outcome_of
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.pages.work.collector import Collector, Follower
from paymentagg.entrypoints.pages.work.errors import Abandoned
from paymentagg.entrypoints.pages.work.preview import Preview, Weighed
from paymentagg.entrypoints.pages.work.progress import Attempt
from paymentagg.entrypoints.pages.work.tasks import Task, Undo
from paymentagg.entrypoints.request_id import working_for
from paymentagg.entrypoints.sync_log import log_done
from paymentagg.entrypoints.transactions import committed

Count = Callable[[str, str | None, float, Report | None], object]
"""What counts a job: its kind, the code of its error or ``interrupted`` if any, its seconds, and its report."""


def no_count(_kind: str, _outcome: str | None, _seconds: float, _report: Report | None) -> None:
    """Count nothing."""


class Jobs:
    """Previews and applies, with the application's database, audit log and settings.

    Args:
        take_sync_slot: takes one of the process's slots for syncs of a practice (None if there is only one) and returns
            the function that releases it; raises SyncInProgress if none is free.
        count: called at the end of each job.
    """

    def __init__(
        self,
        application: Application,
        take_sync_slot: Callable[[str | None], Callable[..., None]],
        count: Count = no_count,
    ) -> None:
        self._application = application
        self._count = count
        self._take_sync_slot = take_sync_slot

    def preview(
        self, task: Task, limit: DeletionLimit, caller: Caller, attempt: Attempt, losses: list[Weighed]
    ) -> Preview:
        """Do everything in a transaction that is rolled back, and return what would change.

        Args:
            losses: receives what each model would lose, also if the guard refuses it.

        Raises:
            Abandoned: the result isn't wanted any more.
            PaymentAggError: it is refused, or the service isn't available.
        """
        trail = self._trail(caller, attempt)
        collector = Collector(trail, attempt, losses)
        try:
            report = self._audited(task, Terms(limit, dry_run=True), trail, collector, caller.practice)
            return collector.preview(task.name, None if isinstance(task, Undo) else limit, report)
        except BaseException:
            collector.close()
            raise

    def apply(self, task: Task, preview: Preview, caller: Caller, attempt: Attempt) -> Report:
        """Do what was previewed, commit it, and return the report.

        Raises:
            PreviewOutdated: the data has changed since the preview.
            PaymentAggError: it is refused for another reason, or the service isn't available.
        """
        trail = self._trail(caller, attempt)
        settings = self._application.settings
        terms = Terms(
            preview.limit or settings.deletion,  # an undo has none
            by=caller.key,
            keep_history=settings.history_days > 0,
            previewed=preview.previewed,
        )
        return self._audited(task, terms, trail, Follower(trail, attempt), caller.practice)

    def _trail(self, caller: Caller, attempt: Attempt) -> AuditTrail:
        return AuditTrail(self._application.auditor, attempt.id, lambda: caller)

    def _audited(self, task: Task, terms: Terms, trail: AuditTrail, follower: Follower, practice: str | None) -> Report:
        """Run a task in a slot for syncs, between its lines in the audit log and with its line in the server's."""
        kind, since = "dry-run" if terms.dry_run else task.kind, perf_counter()
        follower.attempt.enter("waiting for other syncs")
        with working_for(follower.attempt.id):
            try:
                release = self._take_sync_slot(practice)
                try:
                    trail.begin(kind)
                    report = self._committed(task, terms, follower, practice)
                finally:
                    release()
            except BaseException as error:
                self._count(kind, _code(error), perf_counter() - since, None)
                with suppress(AuditUnavailable):  # nothing was begun, and the first error says more
                    _end(trail, error)
                raise
            self._count(kind, None, perf_counter() - since, report)
            trail.synced(report)
            trail.end(Outcome.OK, status=200)
            log_done(report)
            return report

    def _committed(self, task: Task, terms: Terms, follower: Follower, practice: str | None) -> Report:
        every = self._application.database
        database = every if practice is None else every.of(practice)
        with committed(follower.attempt.commit_begins) as manager:
            return task.run(database.storage(manager), terms, follower)


def _end(trail: AuditTrail, error: BaseException) -> None:
    """Write the outcome of a run that ended with an error, as that of a request would be written."""
    code = _code(error)
    if isinstance(error, Abandoned):
        trail.end(Outcome.REFUSED, code)
        return
    trail.end(outcome_of(error), code, PROBLEMS[code][0])


def _code(error: BaseException) -> str:
    if isinstance(error, Abandoned):
        return "interrupted"
    return error.code if isinstance(error, PaymentAggError) else "internal"
