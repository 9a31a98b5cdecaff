"""Runs paymentagg-diff: syncs the old snapshot into a private database, then the new one in a dry run."""

import argparse
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec

from paymentagg.domain.changes import Change
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.listener import Listener
from paymentagg.domain.model import Model
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Terms
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.console import exit_codes, terminal
from paymentagg.entrypoints.console.command_line import ini_file
from paymentagg.entrypoints.console.ini_application import application_of
from paymentagg.entrypoints.console.input_files import InputFile, Observers, snapshots_in
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Silence
from paymentagg.entrypoints.console.terminal import Steps, Terminal
from paymentagg.entrypoints.transactions import committed

_EVERYTHING = DeletionLimit.parse("100%")


def run(options: argparse.Namespace, screen: Terminal, interruption: Interruption, stack: ExitStack) -> int:
    """Compare the snapshots, print the report and return the exit status.

    Raises:
        PaymentAggError: a snapshot can't be read, or a setting is invalid.
        Interrupted: a signal arrived.
    """
    application = application_of(ini_file(options.config))
    model = Model(options.model_name)
    files = [InputFile(model, path) for path in (options.old, options.new)]
    for file in files:
        stack.callback(file.close)
    old = _synchronized(application, files[0], interruption, Terms(_EVERYTHING, keep_history=False))
    terms = Terms(_EVERYTHING, dry_run=True, force=True)
    report = _synchronized(application, files[1], interruption, terms, _Changes(screen))
    for file, each in zip(files, (old, report), strict=True):
        screen.rejected(_shown(each), {model: file.name}, None)
        if each.errors_omitted:
            screen.note(f"{file.name}: … and {each.errors_omitted:,} more")
    screen.outcome(_shown(report), summary=not options.json)
    if options.json:
        screen.json(report)
    return max(exit_codes.status_of_report(old), exit_codes.status_of_report(report))


def _shown(report: Report) -> Report:
    """Return the report without what makes the terminal mention options and promises of paymentagg-sync."""
    return msgspec.structs.replace(report, dry_run=False, errors_omitted=0)


def _synchronized(
    application: Application,
    file: InputFile,
    interruption: Interruption,
    terms: Terms,
    listener: Listener | None = None,
) -> Report:
    observers = Observers(interruption, Silence(), Steps(lambda _: None))
    snapshots = snapshots_in({file.model: file}, application.settings.max_upload_bytes, observers)
    with committed() as manager:
        storage = application.database.scratch(manager)
        return synchronize(storage, snapshots, terms, lambda: datetime.now(UTC), listener)


class _Changes(Listener):
    """Prints the changes, if the verbosity asks for them."""

    def __init__(self, screen: Terminal) -> None:
        self.wants_changes = screen.verbosity >= terminal.CHANGES
        self._screen = screen

    def changed(self, change: Change) -> None:
        self._screen.change(change)
