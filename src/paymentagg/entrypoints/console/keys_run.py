"""Runs the commands of paymentagg-keys."""

import argparse
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import msgspec

from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import ApiKey, issue, successor
from paymentagg.domain.audit_chain import Outcome
from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.ports import KeyRepository
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.audit_trail import AuditTrail, console_user, outcome_of
from paymentagg.entrypoints.console import exit_codes
from paymentagg.entrypoints.console.ini_application import practice_application
from paymentagg.entrypoints.console.terminal import Terminal, moment, printable
from paymentagg.entrypoints.transactions import committed


class _Outcome(msgspec.Struct, frozen=True):
    """What to print after the commit: ``output`` on standard output, ``note`` on standard error."""

    output: str | None = None
    note: str | None = None
    key: str | None = None
    """The public id of the key that was changed."""


def run(options: argparse.Namespace, ini: str, screen: Terminal) -> int:
    """Run a command of paymentagg-keys, print the outcome and return the exit status.

    Raises:
        PaymentAggError: the command failed.
    """
    application = practice_application(ini, options.practice)
    application.database.prepare()
    outcome = _done(application, options, screen)
    if outcome.note is not None:
        screen.note(outcome.note)
    if outcome.output is not None and not screen.line(outcome.output) and outcome.key is not None:
        screen.error(f"the key could not be printed, so it is lost; run: paymentagg-keys revoke {outcome.key}")
        return exit_codes.UNEXPECTED
    return exit_codes.DONE


def _done(application: Application, options: argparse.Namespace, screen: Terminal) -> _Outcome:
    """Run the command; commit a change after writing to the audit log that it begins, and write its outcome there."""
    work = _COMMANDS[options.command]
    if options.command == "list":  # read-only: on SQLite, a writer would wait for a running sync
        with closing(application.database.reader()) as reader:
            return work(reader.keys, options, application.practice, datetime.now(UTC))
    changed = _Outcome()
    route = f"paymentagg-keys {options.command}"
    user = partial(console_user, route, [], practice=application.practice)
    trail = AuditTrail(application.auditor, str(uuid.uuid4()), lambda: user(key=changed.key))
    try:
        with committed() as manager:
            changed = work(application.database.keys(manager), options, application.practice, datetime.now(UTC))
            trail.begin("key")
    except BaseException as error:
        trail.end(outcome_of(error), exit_codes.code_of_error(error), exit_codes.status_of_error(error))
        raise
    if not trail.end(Outcome.OK, status=exit_codes.DONE):
        screen.note("the key is changed, but the outcome is missing from the audit log, which can't be written")
    return changed


def _create(keys: KeyRepository, options: argparse.Namespace, practice: str | None, now: datetime) -> _Outcome:
    key, text = issue(options.name, Role(options.role), days=options.days, at=now, others=keys.all(), practice=practice)
    keys.add(key)
    return _Outcome(text, f"{_described(key)}; it can't be shown again", key.id)


def _rotate(keys: KeyRepository, options: argparse.Namespace, practice: str | None, now: datetime) -> _Outcome:
    old = _found(keys, options.id)
    key, text = successor(old, days=options.days, at=now, others=keys.all(), practice=practice)
    keys.add(key)
    note = (
        f"{_described(key)}; it can't be shown again\n"
        f"key {old.id} is valid until {moment(old.expires)}; "
        f"when no client uses it any more: paymentagg-keys revoke {old.id}"
    )
    return _Outcome(text, note, key.id)


def _revoke(keys: KeyRepository, options: argparse.Namespace, _: str | None, now: datetime) -> _Outcome:
    key = _found(keys, options.id)
    if key.revoked is not None:
        return _Outcome(note=f"key {key.id} has already been revoked, {moment(key.revoked)}", key=key.id)
    keys.revoke(key.id, now)
    return _Outcome(note=f"key {key.id} ({key.role}, {printable(key.name)}) is revoked", key=key.id)


def _list(keys: KeyRepository, options: argparse.Namespace, _: str | None, now: datetime) -> _Outcome:
    if options.json:
        return _Outcome(msgspec.json.encode([_shown(key, now) for key in keys.all()]).decode())
    rows = [("id", "role", "state", "expires", "last_used", "name")]
    for key in keys.all():
        used = "-" if key.last_used is None else moment(key.last_used)
        rows.append((key.id, key.role, key.state(now), moment(key.expires), used, printable(key.name)))
    return _Outcome("\n".join("{:8}  {:6}  {:7}  {:20}  {:20}  {}".format(*row) for row in rows))


_COMMANDS: dict[str, Callable[[KeyRepository, argparse.Namespace, str | None, datetime], _Outcome]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
    "rotate": _rotate,
}


def _found(keys: KeyRepository, key_id: str) -> ApiKey:
    key = keys.get(key_id)
    if key is None:
        raise InvalidParameter("key", f"there is no {printable(key_id)}; paymentagg-keys list shows all")
    return key


def _shown(key: ApiKey, now: datetime) -> dict[str, object]:
    fields = msgspec.structs.asdict(key)
    del fields["digest"]
    return fields | {"state": key.state(now)}


def _described(key: ApiKey) -> str:
    return f"key {key.id} ({key.role}, {printable(key.name)}) is valid until {moment(key.expires)}"
