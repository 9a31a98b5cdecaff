"""Parses the command line of paymentagg-sync.

Only argparse is imported before the command line is parsed, so that ``--help`` is fast.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from paymentagg.entrypoints.console.command_line import (
    STDIN,
    Once,
    Version,
    add_output,
    add_practice,
    config_problem,
    ini_file,
    parser_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from paymentagg.domain.deletion_guard import DeletionLimit

_DESCRIPTION = """\
Synchronise the stored patients and payments with snapshots.
A snapshot is the whole state of one model: stored rows that are not in it are deleted."""

_EPILOG = """\
FILE may be - for standard input. A JSON array, one object per line, and gzip are recognised by content.
Without -c, the settings are those of development.ini in the current folder if there is one, else built-in
ones with the SQLite file paymentagg.sqlite in the current folder. PAYMENTAGG_DATABASE_URL overrides both.

exit status: 0 done; 1 unexpected error; 2 usage; 3 done, but rows were rejected; 4 refused: it would delete
too many rows; 5 another sync is running; 6 the database can't be used; 7 a snapshot can't be read;
8 it is older than the last one; 9 refused by --strict: rows were rejected; 10 the snapshot was undone, and
is taken only with --force; 130 or 143 interrupted.
Any other status than 0 or 3 means that nothing was changed, unless the message says otherwise."""


class Options(argparse.Namespace):
    """The options of paymentagg-sync."""

    config: str | None
    practice: str | None
    input_file: str | None
    model_name: str | None
    patients: str | None
    payments: str | None
    undo: int | None
    dry_run: bool
    force: bool
    strict: bool
    max_delete: "DeletionLimit | None"
    taken_at: "datetime | None"
    rejects: str | None
    overwrite: bool
    json: bool
    verbosity: int
    color: bool
    progress: bool
    traceback: bool

    @property
    def files(self) -> dict[str, str]:
        """The snapshot file of each model to synchronise, by the model's name, patients first."""
        if self.input_file is not None and self.model_name is not None:
            return {self.model_name: self.input_file}
        both = {"patient": self.patients, "payment": self.payments}
        return {model: file for model, file in both.items() if file is not None}

    @property
    def ini(self) -> str:
        """The ini file with the settings."""
        return ini_file(self.config)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Return the parsed command line.

    Raises:
        SystemExit: 2 after printing a usage error on standard error, 0 after ``--help`` or ``--version``.
    """
    parser = options_parser()
    options = parser.parse_args(argv, namespace=Options())
    problem = _problem(options)
    if problem:
        parser.error(problem)
    return options


def _problem(options: Options) -> str | None:
    """Return a usage error if the options contradict each other, else None."""
    single = options.input_file is not None or options.model_name is not None
    double = options.patients is not None or options.payments is not None
    if single and double:
        return "--input-file and --model-name can't be used together with --patients and --payments; use one pair"
    if options.input_file is not None and options.model_name is None:
        return "--input-file needs --model-name; add --model-name patient or --model-name payment"
    if options.model_name is not None and options.input_file is None:
        return "--model-name needs --input-file; add --input-file FILE"
    if options.undo is not None:
        return _undo_problem(options) or config_problem(options.config)
    if not options.files:
        return "no snapshot: give --patients FILE, --payments FILE or both, or --input-file FILE and --model-name"
    if options.patients == STDIN == options.payments:
        return "only one of --patients and --payments can be standard input; give a file for the other"
    if options.rejects == STDIN:
        return "argument --rejects: standard output is for the summary; give a file"
    if options.overwrite and options.rejects is None:
        return "--overwrite needs --rejects; add --rejects FILE"
    return config_problem(options.config)


def _undo_problem(options: Options) -> str | None:
    """Return a usage error if an option can't be used together with --undo, else None."""
    for name in (
        "patients",
        "payments",
        "input_file",
        "force",
        "strict",
        "max_delete",
        "taken_at",
        "rejects",
        "overwrite",
    ):
        if getattr(options, name):
            return f"--undo ID takes back a past sync: --{name.replace('_', '-')} can't be used together with it"
    return None


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    usage = (
        "%(prog)s [-c INI] --input-file FILE --model-name {patient,payment} [options]\n"
        "       %(prog)s [-c INI] [--patients FILE] [--payments FILE] [options]\n"
        "       %(prog)s [-c INI] --undo ID [--dry-run] [--json]"
    )
    parser = parser_of("paymentagg-sync", _DESCRIPTION, _EPILOG, usage)
    add = parser.add_argument
    add("-c", "--config", metavar="INI", action=Once, help="Pyramid ini file with the settings")
    add_practice(parser)
    add("--input-file", metavar="FILE", action=Once, help="snapshot of the model of --model-name")
    add("--model-name", choices=("patient", "payment"), action=Once, help="model of the input file")
    add("--patients", metavar="FILE", action=Once, help="snapshot of all patients")
    add("--payments", metavar="FILE", action=Once, help="snapshot of all payments; with --patients, in one transaction")
    add(
        "--undo",
        metavar="ID",
        type=_sync_id,
        action=Once,
        help="take back the latest sync that changed something; its snapshots are then refused without --force",
    )
    add("--dry-run", action="store_true", help="report what would change; change nothing, create no file")
    add("--force", action="store_true", help="take a snapshot even if it is the last one again or was undone")
    add("--strict", action="store_true", help="refuse the sync if any row is rejected")
    add(
        "--max-delete",
        metavar="N|P%",
        type=_limit,
        help="how many stored rows of a model may be deleted (default: the setting paymentagg.max_delete)",
    )
    add(
        "--taken-at",
        metavar="TIME",
        type=_time,
        help="when the snapshots were taken, such as 2026-01-31T18:00:00Z; older ones than the last are refused",
    )
    add(
        "--rejects",
        metavar="FILE",
        action=Once,
        help="write all rejected rows to this file, as NDJSON; it replaces no file but a former rejects file",
    )
    add(
        "--overwrite",
        action="store_true",
        help="let --rejects replace any file; but never a database, the settings file, the audit log or an input",
    )
    add_output(parser, levels=4, more="; 3 also step durations")
    add("--no-progress", dest="progress", action="store_false", help="no progress bar or lines")
    add("--traceback", action="store_true", help="show where an unexpected error was raised")
    add("--version", action=Version, nargs=0, help="print the version and exit")
    return parser


def _limit(text: str) -> "DeletionLimit":
    # Imported late: it would take a quarter of the time that --help may take, and --help doesn't need it.
    from paymentagg.domain.deletion_guard import DeletionLimit

    try:
        return DeletionLimit.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _sync_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**18):
        raise argparse.ArgumentTypeError(f"{text!r} must be the id of a sync, such as 41")
    return int(text)


def _time(text: str) -> "datetime":
    from datetime import UTC, datetime  # imported late, as above

    from paymentagg.domain.taken_at import parse_taken_at

    try:
        return parse_taken_at(text, datetime.now(UTC))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
