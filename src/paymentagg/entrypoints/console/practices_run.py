"""Runs the commands of paymentagg-practices."""

import argparse
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.errors import InvalidParameter, PaymentAggError, PracticeNotFound
from paymentagg.domain.ports import PracticeRegistry
from paymentagg.domain.practices import Practice, checked_name
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user, outcome_of
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.ini_application import application_of
from paymentagg.entrypoints.console.terminal import Terminal
from paymentagg.entrypoints.settings import Practices


class SomeFailed(PaymentAggError):
    """Some practices weren't migrated; their errors were printed."""

    code = "database-unavailable"
    is_failure = True

    def __init__(self, names: Sequence[str], of: int) -> None:
        super().__init__(f"{len(names):,} of {of:,} practices failed; run this again for {' '.join(sorted(names))}")


def run(options: argparse.Namespace, ini: str, screen: Terminal) -> int:
    """Run a command of paymentagg-practices, print the outcome and return the exit status.

    Raises:
        PaymentAggError: the command failed, or there is only one practice.
    """
    application = application_of(ini)
    if application.settings.practices is not Practices.MANY:
        reason = "this needs many; set it, or PAYMENTAGG_PRACTICES in the environment, to many"
        raise InvalidParameter("paymentagg.practices", reason)
    practices = application.database.practices()
    if options.command == "list":
        return _list(practices.all(), screen, json=options.json)
    names = [checked_name("argument NAME", name) for name in dict.fromkeys(options.names)]
    if options.command == "migrate":
        return _migrate(application, practices, names, options.jobs, screen)
    work, done = _EACH[options.command]
    return _each(application, options.command, names, lambda name: work(practices, name), done, screen)


_EACH: dict[str, tuple[Callable[[PracticeRegistry, str], None], str]] = {
    "create": (lambda practices, name: practices.create(name), "is created"),
    "archive": (lambda practices, name: practices.archive(name), "is archived: it can be read, and not changed"),
}


def _each(
    application: Application,
    command: str,
    names: Sequence[str],
    work: Callable[[str], None],
    done: str,
    screen: Terminal,
) -> int:
    """Do the same for each practice; one that fails doesn't prevent the others. A single error is raised."""
    failed = 0
    for name in names:
        try:
            with _audited(application, command, name, screen):
                work(name)
        except PaymentAggError as error:
            if len(names) == 1:
                raise
            failed += 1
            screen.error(f"{name}: {error}")
        else:
            screen.note(f"the practice {name} {done}")
    return exit_codes.UNEXPECTED if failed else exit_codes.DONE


def _migrate(
    application: Application, practices: PracticeRegistry, names: Sequence[str], jobs: int, screen: Terminal
) -> int:
    """Migrate the practices, all if none is named, and say which failed."""
    known = [practice.name for practice in practices.all()]
    for name in names:
        if name not in known:
            raise PracticeNotFound(name)
    failed: list[str] = []
    chosen = list(names) or known
    with _audited(application, "migrate", chosen[0] if len(chosen) == 1 else None, screen):
        for name, error in practices.migrate(chosen, jobs=jobs):
            if error is not None:
                failed.append(name)
                screen.error(f"{name}: {error}")
        if failed:
            raise SomeFailed(failed, len(chosen))
    screen.line(f"{len(chosen):,} practices have the schema of this version")
    return exit_codes.DONE


def _list(practices: Sequence[Practice], screen: Terminal, *, json: bool) -> int:
    if json:
        screen.line(msgspec.json.encode(practices).decode())
        return exit_codes.DONE
    rows = [("name", "revision", "state")]
    rows += [(practice.name, practice.revision or "-", practice.state) for practice in practices]
    screen.line("\n".join("{:31}  {:8}  {}".format(*row) for row in rows))
    return exit_codes.DONE


@contextmanager
def _audited(application: Application, command: str, practice: str | None, screen: Terminal) -> Iterator[None]:
    """Write to the audit log that the block begins, and its outcome."""
    route = f"paymentagg-practices {command}"
    trail = AuditTrail(application.auditor, str(uuid.uuid4()), lambda: console_user(route, [], practice=practice))
    trail.begin("practice")
    try:
        yield
    except BaseException as error:
        trail.end(outcome_of(error), exit_codes.code_of_error(error), exit_codes.status_of_error(error))
        raise
    if not trail.end(Outcome.OK, status=exit_codes.DONE):
        screen.note("it is done, but the outcome is missing from the audit log, which can't be written")
