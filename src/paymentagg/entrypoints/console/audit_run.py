"""Runs the commands of paymentagg-audit: verify the hash chain of the audit log, rotate the log, and search it."""

import argparse
import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from paymentagg.domain.audit_chain import Chain, Event, Finding, Outcome
from paymentagg.domain.errors import InvalidParameter
from paymentagg.entrypoints import audit_trail
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.terminal import Terminal, moment, printable

_BROKEN = "does not follow the previous line: one of them was changed, or a line between them is missing"
_LISTS = ("/patients", "/payments", "/history", "/syncs/{id}/changes", "/syncs/{id}/rejections")
_TORN = "is torn: a process ended while writing it, or the disk was full"


def verify(files: Sequence[str], last: str | None, screen: Terminal) -> int:
    """Verify the chain through the files in this order, print where it breaks, and return the exit status.

    Args:
        last: a hash that must be in the chain, if not None.

    Raises:
        InvalidParameter: a file can't be read.
    """
    chain = Chain()
    holds, seen = True, last is None
    for file in files:
        for number, line in enumerate(_lines(Path(file)), 1):
            finding = chain.add(line)
            if finding is not Finding.FOLLOWS:
                screen.note(f"{printable(file)}: line {number} {_TORN if finding is Finding.TORN else _BROKEN}")
            holds &= finding is not Finding.BROKEN
            seen = seen or last == chain.head
    if chain.first is None or chain.last is None:
        screen.error("there is no complete line, so this is not an audit log")
        return exit_codes.UNEXPECTED
    if not (seen or last == chain.first.previous):
        screen.error("no line has the noted hash: it was changed, or the end of the log is missing")
        holds = False
    begin = "begins here" if chain.first.previous is None else f"goes on from {chain.first.previous}"
    screen.line(f"{chain.lines} lines from {moment(chain.first.time)} to {moment(chain.last.time)}; the chain {begin}")
    screen.line(f"last hash: {chain.head}")
    screen.line("the chain holds" if holds else "the chain is BROKEN")
    return exit_codes.DONE if holds else exit_codes.UNEXPECTED


def rotate(ini: str, screen: Terminal) -> int:
    """Continue the configured audit log in a new file, and print the new path of the old one.

    Raises:
        PaymentAggError: no audit log is configured, or it can't be rotated.
    """
    # Imported late: verify needs no settings.
    from paymentagg.entrypoints.console.ini_application import application_of

    user = audit_trail.console_user("paymentagg-audit rotate", [])
    screen.line(str(audit_trail.rotate(application_of(ini).auditor, str(uuid.uuid4()), user)))
    return exit_codes.DONE


def who_saw(ini: str, options: argparse.Namespace, screen: Terminal) -> int:
    """Print the lines of the log about a patient, and how many reads of lists there were.

    Args:
        options: the external id, the files to search, all in the folder of the configured log if there are none, and
            the practice of the patient, where there are many.

    Raises:
        PaymentAggError: no audit log is configured, or a file can't be read.
    """
    from paymentagg.entrypoints.console.ini_application import practice_application  # see rotate

    application = practice_application(ini, options.practice)
    kept = application.auditor.files()
    pseudonym = application.auditor.pseudonym(options.id)
    lists = 0
    for line in (line for file in options.files or kept for line in _lines(Path(file))):
        with suppress(msgspec.MsgspecError, UnicodeError):  # verify reports torn lines
            event = msgspec.json.decode(line, type=Event)
            if event.practice != application.practice:
                continue  # its patients have other ids, or the same ones by chance
            if event.patient == pseudonym:
                screen.line(_seen(event))
            elif event.patient is None and event.kind in ("read", "export") and event.route in _LISTS:
                lists += event.outcome is not Outcome.BEGUN
    screen.note(f"{lists} reads of lists, which may have shown this patient too")
    return exit_codes.DONE


def _seen(event: Event) -> str:
    """Return one line about a read: when, outcome, who, from where, what."""
    outcome = event.outcome if event.status is None else f"{event.outcome} {event.status}"
    who = f"key {event.key} ({event.role})" if event.key else event.role
    fields = (moment(event.time), outcome, who, event.peer, " ".join(filter(None, (event.method, event.route))))
    return "  ".join(printable(str(field)) for field in fields)


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines that the file has now, without newlines.

    Raises:
        InvalidParameter: the file can't be read.
    """
    try:
        with file.open("rb") as log:
            fcntl.flock(log, fcntl.LOCK_SH)  # wait until no process is writing a line
            left = os.fstat(log.fileno()).st_size
            fcntl.flock(log, fcntl.LOCK_UN)
            while left and (line := log.readline(left)):
                left -= len(line)
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise InvalidParameter(printable(str(file)), f"can't be read: {error.strerror}") from error
