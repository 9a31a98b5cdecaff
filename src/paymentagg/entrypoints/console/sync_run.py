"""One run of paymentagg-sync, from the files to the report."""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any

from paymentagg.domain.changes import Change, Rejection
from paymentagg.domain.errors import PaymentAggError, RejectedRows
from paymentagg.domain.model import Model
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import Listener, Snapshots, Terms, synchronize
from paymentagg.entrypoints.console import exit_codes, terminal
from paymentagg.entrypoints.console.app_request import request_of
from paymentagg.entrypoints.console.input_files import Source
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Bar, Lines, Progress, Silence
from paymentagg.entrypoints.console.rejects_file import Rejects
from paymentagg.entrypoints.console.sync_options import Options
from paymentagg.entrypoints.console.terminal import Steps, Terminal
from paymentagg.entrypoints.http.auditing import Trail, on_console
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments


def run(options: Options, screen: Terminal, interruption: Interruption) -> int:
    """Do what the options ask for, print the outcome and return the exit status.

    Raises:
        PaymentAggError: why it could not be done.
        Interrupted: a signal came before the commit.
    """
    # Standard error is for the user: without a handler, Python prints warnings of libraries there.
    logging.getLogger().addHandler(logging.NullHandler())
    steps = Steps(lambda text: screen.note(text, terminal.STEPS))
    with ExitStack() as stack:
        sources = _sources(options, stack)
        names = {model: source.name for model, source in sources.items()}
        rejects = stack.enter_context(Rejects(options.rejects)) if options.rejects is not None else None
        steps.begin("starting")
        request = request_of(options.ini, stack)
        steps.begin("waiting for the lock")
        try:
            report = _audited(
                request,
                options,
                screen,
                interruption,
                lambda trail: _kept(request, options, sources, rejects, screen, steps, interruption, trail),
            )
        except RejectedRows as refusal:
            if rejects is not None:
                rejects.keep()
            screen.rejected(refusal.report, names, options.rejects)
            if options.json:
                screen.json(refusal.report)
            raise
        steps.end()
        screen.rejected(report, names, options.rejects)
        screen.outcome(report, summary=not options.json)
        if options.json:
            screen.json(report)
        if interruption.signal is not None:
            screen.note(f"{interruption.signal.name} came too late: the sync is done")
        return exit_codes.status_of_report(report)


def _kept(
    request: Any,  # Pyramid has no types
    options: Options,
    sources: Mapping[Model, Source],
    rejects: Rejects | None,
    screen: Terminal,
    steps: Steps,
    interruption: Interruption,
    trail: Trail,
) -> Report:
    """Synchronise, see to it that it is kept, and return the report."""
    terms = Terms(
        options.max_delete or request.limits.deletion,
        strict=options.strict,
        dry_run=options.dry_run,
        force=options.force,
        taken_at=options.taken_at,
    )
    manager = request.tm
    manager.begin()
    try:
        progress = _progress(options, screen)
        snapshots = _snapshots(sources, request.limits.max_upload_bytes, interruption, progress, steps)
        listener = _Listener(screen, rejects, trail)
        report = synchronize(request.storage, snapshots, terms, lambda: datetime.now(UTC), listener)
        if rejects is not None:
            rejects.keep()  # before the commit: where it fails, nothing is changed
        if options.dry_run:
            manager.abort()
        else:
            steps.begin("committing")
            interruption.commit_begins()
            manager.commit()
            interruption.committed()
    except BaseException:
        with suppress(Exception):  # what can't be rolled back isn't kept either; the first error is the one to tell
            manager.abort()
        raise
    return report


def _audited(
    request: Any,
    options: Options,
    screen: Terminal,
    interruption: Interruption,
    kept: Callable[[Trail], Report],  # Pyramid has no types
) -> Report:
    """Note in the audit log that a sync begins, and what comes of it."""
    given = [name for name in ("dry_run", "force", "max_delete", "strict", "taken_at") if getattr(options, name)]
    trail = Trail(request.registry.auditor, request.id, lambda: on_console("paymentagg-sync", given))
    trail.begin("dry-run" if options.dry_run else "sync")
    try:
        report = kept(trail)
    except BaseException as error:
        if interruption.signal is not None and interruption.interrupted:
            trail.end("interrupted", exit_codes.INTERRUPTED + interruption.signal)
        else:
            trail.end(
                error.code if isinstance(error, PaymentAggError) else "internal", exit_codes.status_of_error(error)
            )
        raise
    trail.synced(report)
    if not trail.end(None, exit_codes.status_of_report(report)):
        screen.note("the sync is done, but the audit log can't be written, and lacks it")
    return report


def _sources(options: Options, stack: ExitStack) -> dict[Model, Source]:
    """Open the snapshots, before a database is touched (or, with SQLite, created)."""
    sources = {}
    for name, file in options.files.items():
        model = Model(name)
        sources[model] = Source(model, file)
        stack.callback(sources[model].close)
    return sources


def _snapshots(
    sources: Mapping[Model, Source],
    max_bytes: int,
    interruption: Interruption,
    progress: Progress,
    steps: Steps,
) -> Snapshots:
    patients, payments = sources.get(Model.PATIENT), sources.get(Model.PAYMENT)
    return Snapshots(
        patients=patients.snapshot(read_patients, max_bytes, interruption, progress, steps) if patients else None,
        payments=payments.snapshot(read_payments, max_bytes, interruption, progress, steps) if payments else None,
    )


def _progress(options: Options, screen: Terminal) -> Progress:
    if not options.progress or options.verbosity < terminal.SUMMARY:
        return Silence()
    return Bar(sys.stderr) if terminal.is_terminal(sys.stderr) else Lines(screen.note)


class _Listener(Listener):
    """Passes on what is heard of while the sync runs."""

    def __init__(self, screen: Terminal, rejects: Rejects | None, trail: Trail) -> None:
        self.wants_changes = screen.verbosity >= terminal.CHANGES
        self._screen = screen
        self._rejects = rejects
        self._trail = trail

    def identified(self, model: Model, digest: str) -> None:
        self._trail.identified(model, digest)

    def rejected(self, rejection: Rejection) -> None:
        if self._rejects is not None:
            self._rejects.write(rejection)

    def changed(self, change: Change) -> None:
        self._screen.change(change)
