"""Runs paymentagg-verify: checks the database, then compares it with files."""

import argparse
import uuid
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.changes import Change, Created, Deleted, Rejection, Updated
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.listener import Listener
from paymentagg.domain.model import Model
from paymentagg.domain.ports import Verification
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Terms
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user, outcome_of
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.command_line import ini_file
from paymentagg.entrypoints.console.ini_application import practice_application
from paymentagg.entrypoints.console.input_files import InputFile, Observers, snapshots_in
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.progress import Silence
from paymentagg.entrypoints.console.terminal import Steps, Terminal, printable
from paymentagg.entrypoints.transactions import committed

MAX_LISTED = 100
"""How many findings of a kind are printed; the rest is counted."""


def run(options: argparse.Namespace, screen: Terminal, interruption: Interruption, stack: ExitStack) -> int:
    """Verify, print what doesn't hold, and return the exit status.

    Raises:
        PaymentAggError: a file or the database can't be read, or a setting is invalid.
        Interrupted: a signal arrived.
    """
    application = practice_application(ini_file(options.config), options.practice)
    files: dict[Model, InputFile] = {}
    for model, path in ((Model.PATIENT, options.patients), (Model.PAYMENT, options.payments)):
        if path is not None:
            files[model] = InputFile(model, path)
            stack.callback(files[model].close)
    given = [name for name in ("patients", "payments") if getattr(options, name) is not None]
    user = console_user("paymentagg-verify", given, practice=application.practice)
    trail = AuditTrail(application.auditor, str(uuid.uuid4()), lambda: user)
    trail.begin("verify")
    try:
        with interruption.surfacing():
            status = _verified(application, files, screen, interruption)
    except BaseException as error:
        trail.end(outcome_of(error), exit_codes.code_of_error(error), exit_codes.status_of_error(error))
        raise
    if not trail.end(Outcome.OK, status=status):
        screen.note("the outcome is missing from the audit log, which can't be written")
    return status


def _verified(
    application: Application, files: dict[Model, InputFile], screen: Terminal, interruption: Interruption
) -> int:
    with committed() as manager:
        verification = application.database.verification(manager)
        manager.doom()  # nothing is ever written
        if not _holds(verification, screen):
            if files:
                screen.note("the files weren't compared: restore a backup first, or sync the files again")
            return exit_codes.DAMAGED
        if not files:
            return exit_codes.DONE
        listing = _Listing(screen)
        report = _compared(application, verification, files, listing, interruption)
    listing.end()
    names = " and ".join(files[model].name for model in files)
    for model, part in report.models.items():
        if part.deletions_suspended:
            screen.note(f"{model.plural}: which stored rows are surplus can't be said ({part.deletions_suspended})")
    if listing.count:
        screen.line(f"the database differs from {names}: {listing.count:,} differences")
        return exit_codes.DIFFERENT
    screen.line(f"the database equals {names}")
    return exit_codes.DONE


def _holds(verification: Verification, screen: Terminal) -> bool:
    """Print what doesn't hold, and return whether all does."""
    listing = _Listing(screen)
    for finding in verification.findings():
        listing.add(finding.check, str(finding))
    listing.end()
    if listing.count:
        findings = "1 finding" if listing.count == 1 else f"{listing.count:,} findings"
        screen.line(f"the database is damaged: {findings}")
        return False
    checked = verification.verified()
    rows = f"{checked.patients:,} patients, {checked.payments:,} payments, {checked.syncs:,} syncs"
    screen.line(f"{rows}: all checks hold")
    return True


def _compared(
    application: Application,
    verification: Verification,
    files: dict[Model, InputFile],
    listing: "_Listing",
    interruption: Interruption,
) -> Report:
    """Compare the files with the stored rows as a dry run does, and return its report."""
    observers = Observers(interruption, Silence(), Steps(lambda _: None))
    snapshots = snapshots_in(files, application.settings.max_upload_bytes, observers)
    terms = Terms(DeletionLimit.parse("100%"), dry_run=True, force=True)
    differences = _Differences(listing)
    return synchronize(verification.storage(), snapshots, terms, lambda: datetime.now(UTC), differences)


class _Listing:
    """Prints the first lines of each kind on standard output, and counts all."""

    def __init__(self, screen: Terminal) -> None:
        self._screen = screen
        self._counts: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """The number of lines, those that weren't printed included."""
        return self._counts.total()

    def add(self, kind: str, line: str) -> None:
        """Print a line, unless there were many of this kind."""
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_LISTED:
            self._screen.line(printable(line))

    def end(self) -> None:
        """Print how many lines weren't printed."""
        for kind, count in self._counts.items():
            if count > MAX_LISTED:
                self._screen.line(f"{kind}: … and {count - MAX_LISTED:,} more")


class _Differences(Listener):
    """Lists what a dry run would change, as differences between the stored rows and a file."""

    wants_changes = True

    def __init__(self, listing: _Listing) -> None:
        self._listing = listing

    def rejected(self, rejection: Rejection) -> None:
        place = ", ".join(filter(None, (f"row {rejection.row}", rejection.external_id, rejection.field)))
        self._listing.add("rejected", f"rejected: {rejection.model} {place}: {rejection.message} ({rejection.code})")

    def changed(self, change: Change) -> None:
        match change:
            case Created():
                self._listing.add("missing", f"missing: {change.model} {change.external_id} isn't stored")
            case Deleted():
                self._listing.add("surplus", f"surplus: {change.model} {change.external_id} isn't in the file")
            case Updated():
                fields = ", ".join(_differing_fields(change))
                self._listing.add("different", f"different: {change.model} {change.external_id}: {fields}")


def _differing_fields(change: Updated) -> list[str]:
    """Return the names in JSON of the fields that differ."""
    fields = msgspec.structs.fields(change.before)
    return [
        field.encode_name for field in fields if getattr(change.before, field.name) != getattr(change.after, field.name)
    ]
