"""Runs paymentagg-sync, from the input files to the report."""

import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.changes import Change, Rejection
from paymentagg.domain.errors import RejectedRows
from paymentagg.domain.listener import Listener, Phase
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Storage
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from paymentagg.domain.undo import undo
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user, outcome_of
from paymentagg.entrypoints.console import exit_codes, terminal
from paymentagg.entrypoints.console.command_line import STDIN
from paymentagg.entrypoints.console.ini_application import practice_application
from paymentagg.entrypoints.console.input_files import InputFile, Observers, snapshots_in
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Bar, Lines, Progress, Silence
from paymentagg.entrypoints.console.rejects_file import RejectsFile, check_target
from paymentagg.entrypoints.console.sync_options import Options
from paymentagg.entrypoints.console.terminal import Steps, Terminal
from paymentagg.entrypoints.transactions import committed


class SyncRun:
    """The resources of one run.

    Before anything else, the target of --rejects is checked. The input files are opened before the database is
    connected to or, with SQLite, created.

    Raises:
        PaymentAggError: a file can't be opened, or a setting is invalid.
    """

    def __init__(self, options: Options, screen: Terminal, interruption: Interruption, stack: ExitStack) -> None:
        self._options = options
        self._screen = screen
        self._interruption = interruption
        self._steps = Steps(lambda text: screen.note(text, terminal.STEPS))
        self._steps.begin("starting")
        self._progress = self._chosen_progress()
        self._application = practice_application(options.ini, options.practice)
        if options.rejects is not None:
            check_target(options.rejects, self._protected(), overwrite=options.overwrite)
        self._files: dict[Model, InputFile] = {}
        for name, path in options.files.items():
            file = self._files[Model(name)] = InputFile(Model(name), path)
            stack.callback(file.close)
        self._rejects: RejectsFile | None = None
        if options.rejects is not None:
            self._rejects = stack.enter_context(RejectsFile(options.rejects, dry_run=options.dry_run))
        if options.undo is None:
            self._application.database.prepare(dry_run=options.dry_run)
        else:
            self._application.database.require()

    def run(self) -> int:
        """Synchronise, print the outcome and return the exit status.

        Raises:
            PaymentAggError: the sync failed or was refused.
            Interrupted: a signal arrived before the commit.
        """
        self._steps.begin("waiting for the lock")
        try:
            report = self._audited()
        except RejectedRows as refusal:
            self._keep_rejects()
            self._print_rejected(refusal.report)
            if self._options.json:
                self._screen.json(refusal.report)
            raise
        self._steps.end()
        committed = (
            "nothing was changed" if report.dry_run else "the sync is done and committed, only its report is lost"
        )
        self._screen.consequence = f"; {committed}"
        self._print_rejected(report)
        self._screen.outcome(report, summary=not self._options.json)
        if self._options.json:
            self._screen.json(report)
        if self._interruption.signal is not None:
            self._screen.note(f"{self._interruption.signal.name} came too late: the sync is done")
        return exit_codes.status_of_report(report)

    def _protected(self) -> Iterator[tuple[str, str]]:
        """Yield the files that must never be overwritten, and what each of them is."""
        yield self._options.ini.partition("#")[0], "the settings file"  # Pyramid allows FILE#SECTION
        for path in self._options.files.values():
            yield "/dev/stdin" if path == STDIN else path, "a snapshot"
        for file in self._application.database.files:
            yield str(file), "a file of the database"
        if self._application.settings.audit_file:
            yield self._application.settings.audit_file, "the audit log"

    def _audited(self) -> Report:
        """Synchronise, and write the beginning and the outcome to the audit log."""
        options = self._options
        given = [
            name for name in ("dry_run", "force", "max_delete", "strict", "taken_at", "undo") if getattr(options, name)
        ]
        auditor = self._application.auditor
        user = console_user("paymentagg-sync", given, practice=self._application.practice)
        trail = AuditTrail(auditor, str(uuid.uuid4()), lambda: user)
        kind = "sync" if options.undo is None else "undo"
        trail.begin("dry-run" if options.dry_run else kind)
        try:
            with self._interruption.surfacing():
                report = self._committed(trail)
        except BaseException as error:
            trail.end(outcome_of(error), exit_codes.code_of_error(error), exit_codes.status_of_error(error))
            raise
        trail.synced(report)
        if not trail.end(Outcome.OK, status=exit_codes.status_of_report(report)):
            self._screen.note("the sync is done, but its outcome is missing from the audit log, which can't be written")
        return report

    def _committed(self, trail: AuditTrail) -> Report:
        """Synchronise in a transaction, commit it unless it is a dry run, and return the report."""
        application, options = self._application, self._options
        terms = Terms(
            options.max_delete or application.settings.deletion,
            strict=options.strict,
            dry_run=options.dry_run,
            force=options.force,
            taken_at=options.taken_at,
            keep_history=application.settings.history_days > 0,
        )
        listener = _Listener(self._screen, self._rejects, trail, self._progress, self._show)
        try:
            with committed(self._before_commit) as manager:
                storage = application.database.storage(manager)
                report = self._done(storage, terms, listener)
                self._keep_rejects()  # before the commit: if it fails, nothing is changed
        finally:
            self._progress.end()
        if not options.dry_run:
            self._interruption.committed()
        return report

    def _done(self, storage: Storage, terms: Terms, listener: Listener) -> Report:
        undone = self._options.undo
        if undone is None:
            return synchronize(storage, self._snapshots(), terms, _now, listener)
        self._show(f"undoing sync {undone}")
        return undo(storage, undone, terms, _now)

    def _before_commit(self) -> None:
        self._show("committing")
        self._interruption.commit_begins()

    def _show(self, phase: str) -> None:
        """Show that a phase begins. From verbosity CHANGES on, lines say so: a bar would mix with them."""
        self._steps.begin(phase)
        if self._screen.verbosity < terminal.CHANGES:
            self._progress.enter(phase)
        else:
            self._progress.end()

    def _snapshots(self) -> Snapshots:
        observers = Observers(self._interruption, self._progress, self._steps)
        max_bytes, keep = self._application.settings.max_upload_bytes, self._rejects is not None
        return snapshots_in(self._files, max_bytes, observers, keep_rows=keep)

    def _chosen_progress(self) -> Progress:
        if not self._options.progress or self._options.verbosity < terminal.SUMMARY:
            return Silence()
        return Bar(sys.stderr) if terminal.has_width(sys.stderr) else Lines(self._screen.note)

    def _keep_rejects(self) -> None:
        if self._rejects is not None:
            self._rejects.keep()

    def _print_rejected(self, report: Report) -> None:
        names = {model: file.name for model, file in self._files.items()}
        self._screen.rejected(report, names, self._options.rejects)


def _now() -> datetime:
    return datetime.now(UTC)


class _Listener(Listener):
    """Passes rejected rows to the rejects file, changes and phases to the terminal and digests to the audit log."""

    def __init__(
        self,
        screen: Terminal,
        rejects: RejectsFile | None,
        trail: AuditTrail,
        progress: Progress,
        show: Callable[[str], None],
    ) -> None:
        self.wants_changes = screen.verbosity >= terminal.CHANGES
        self.wants_rows = rejects is not None
        self._screen = screen
        self._rejects = rejects
        self._trail = trail
        self._progress = progress
        self._show = show

    def identified(self, model: Model, digest: str) -> None:
        self._trail.identified(model, digest)

    def recognised(self, model: Model, sync_id: int) -> None:
        self._progress.end()
        self._screen.note(f"{model.plural}: the same snapshot as in sync {sync_id}; nothing to compare")

    def entered(self, phase: Phase, model: Model) -> None:
        self._show(f"{phase} {model.plural}")

    def rejected(self, rejection: Rejection) -> None:
        if self._rejects is not None:
            self._rejects.write(rejection)

    def changed(self, change: Change) -> None:
        self._screen.change(change)
