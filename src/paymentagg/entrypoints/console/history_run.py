"""Runs the commands of paymentagg-history."""

import argparse
import uuid
from datetime import UTC, datetime, timedelta

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.ports import Erased
from paymentagg.domain.text import MAX_TEXT, is_storable
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user, outcome_of
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.ini_application import practice_application
from paymentagg.entrypoints.console.terminal import Terminal, moment
from paymentagg.entrypoints.settings import history_days
from paymentagg.entrypoints.transactions import committed

_FORGOTTEN = "copies of the database, such as backups, still have what it had when they were made"


def run(options: argparse.Namespace, ini: str, screen: Terminal) -> int:
    """Run a command of paymentagg-history, print how much was erased and return the exit status.

    Raises:
        PaymentAggError: the command failed.
    """
    application = practice_application(ini, options.practice)
    given = [name for name in ("days",) if getattr(options, name, None) is not None]
    route = f"paymentagg-history {options.command}"
    user = console_user(route, given, practice=application.practice)
    trail = AuditTrail(application.auditor, str(uuid.uuid4()), lambda: user)
    try:
        application.database.require()
        if options.command == "prune":
            days = application.settings.history_days if options.days is None else history_days("--days", options.days)
            said = _prune(application, days, trail)
        else:
            said = _forget(application, options.id, trail)
    except BaseException as error:
        trail.end(outcome_of(error), exit_codes.code_of_error(error), exit_codes.status_of_error(error))
        raise
    if not trail.end(Outcome.OK, status=exit_codes.DONE):
        screen.note("it is done, but the outcome is missing from the audit log, which can't be written")
    screen.line(said)
    if options.command == "forget":
        screen.note(_FORGOTTEN)
    return exit_codes.DONE


def _prune(application: Application, days: int, trail: AuditTrail) -> str:
    """Erase what is older, in a transaction for each sync, so that other syncs needn't wait for all; say how much."""
    before = datetime.now(UTC) - timedelta(days=days)
    total, syncs = Erased(), 0
    trail.begin("erase")
    while True:
        with committed() as manager:
            erased = application.database.retention(manager).prune(before)
        if erased is None:
            break
        total, syncs = total + erased, syncs + 1
        trail.read(erased.changes + erased.rejections)
    counts = f"{total.changes:,} changes and {total.rejections:,} rejected rows of {syncs:,} syncs"
    return f"erased {counts} that began before {moment(before)}"


def _forget(application: Application, external_id: str, trail: AuditTrail) -> str:
    """Erase what names the patient, in one transaction; say how much."""
    if not external_id or not is_storable(external_id):
        raise InvalidParameter("argument EXTERNAL_ID", f"must be an id: 1 to {MAX_TEXT} characters")
    trail.of_patient(external_id)
    with committed() as manager:
        retention = application.database.retention(manager)
        if retention.is_stored(external_id):
            reason = "this patient is still stored; delete them by a sync without them, then forget them"
            raise InvalidParameter("argument EXTERNAL_ID", reason)
        erased = retention.forget(external_id)
        trail.begin("erase")
    trail.read(erased.changes + erased.rejections + erased.errors)
    rows = f"{erased.changes:,} changes, {erased.rejections:,} rejected rows"
    return f"erased {rows} and {erased.errors:,} errors in reports"
