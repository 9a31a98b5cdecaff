"""The command line of paymentagg-sync: what may be said, and what was.

Nothing but argparse is imported until the line is understood: ``--help`` has to answer at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from paymentagg.domain.deletion_guard import DeletionLimit

STDIN = "-"
DEVELOPMENT_INI = "development.ini"
BUILTIN_INI = Path(__file__).with_name("builtin.ini")

_DESCRIPTION = """\
Bring the stored patients and payments into the state that a snapshot says.
A snapshot is the whole state: what is not in it is deleted."""

_EPILOG = """\
FILE may be - for standard input; JSON array or one object a line, gzipped or not, is recognised by content.
Without -c, the settings are those of development.ini in the current folder if there is one, else built-in
ones with the SQLite file paymentagg.sqlite in the current folder. PAYMENTAGG_DATABASE_URL beats both.

exit status: 0 done; 1 unexpected error; 2 usage; 3 done, but rows were rejected (with --strict: refused);
4 it would delete too much; 5 another sync is running; 6 the database can't be used; 7 a snapshot can't be
read; 8 it is older than the last one; 130 or 143 interrupted. Nothing is changed where it isn't 0 or 3."""


class Options(argparse.Namespace):
    """What was asked for."""

    config: str | None
    input_file: str | None
    model_name: str | None
    patients: str | None
    payments: str | None
    dry_run: bool
    force: bool
    strict: bool
    max_delete: "DeletionLimit | None"
    taken_at: "datetime | None"
    rejects: str | None
    json: bool
    verbosity: int
    color: bool
    progress: bool
    traceback: bool

    @property
    def files(self) -> dict[str, str]:
        """The file of each model that is to be synchronised, by the model's name, patients first."""
        if self.input_file is not None and self.model_name is not None:
            return {self.model_name: self.input_file}
        both = {"patient": self.patients, "payment": self.payments}
        return {model: file for model, file in both.items() if file is not None}

    @property
    def ini(self) -> str:
        """The ini file that holds the settings."""
        return ini_file(self.config)


def ini_file(config: str | None) -> str:
    """Return the ini file that is named; else that of the current folder, else the built-in one."""
    if config is not None:
        return config
    return DEVELOPMENT_INI if Path(DEVELOPMENT_INI).is_file() else str(BUILTIN_INI)


def config_problem(config: str | None) -> str | None:
    """Return what is wrong with the ini file that is named."""
    if config is None:
        return None
    file = Path(config.partition("#")[0])  # Pyramid lets a section's name follow a #
    if file.is_file():
        return None
    return f"argument -c/--config: {file} {'is not a file' if file.exists() else 'does not exist'}"


def parse(argv: Sequence[str] | None = None) -> Options:
    """Return what the command line asks for.

    Raises:
        SystemExit: 2 where it can't be understood (said on standard error), 0 after ``--help`` and ``--version``.
    """
    parser = _parser()
    options = parser.parse_args(argv, namespace=Options())
    problem = _problem(options)
    if problem:
        parser.error(problem)
    return options


def _problem(options: Options) -> str | None:
    """Return what is wrong with options that are each fine alone."""
    single = options.input_file is not None or options.model_name is not None
    double = options.patients is not None or options.payments is not None
    if single and double:
        return "--input-file and --model-name can't be used together with --patients and --payments"
    if options.input_file is not None and options.model_name is None:
        return "--input-file needs --model-name, which says what the file holds"
    if options.model_name is not None and options.input_file is None:
        return "--model-name needs --input-file"
    if not options.files:
        return "no snapshot: give --patients FILE, --payments FILE or both, or --input-file FILE and --model-name"
    if options.patients == STDIN == options.payments:
        return "only one of --patients and --payments can be standard input"
    return config_problem(options.config) or _rejects_problem(options)


def _rejects_problem(options: Options) -> str | None:
    if options.rejects is None:
        return None
    if options.rejects == STDIN:
        return "argument --rejects: standard output is for the summary; give a file"
    rejects = Path(options.rejects)
    for file in options.files.values():
        if file != STDIN and rejects.exists() and Path(file).exists() and rejects.samefile(file):
            return f"argument --rejects: {file} is a snapshot, it would be overwritten"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paymentagg-sync",
        usage="%(prog)s [-c INI] --input-file FILE --model-name {patient,payment} [options]\n"
        "       %(prog)s [-c INI] [--patients FILE] [--payments FILE] [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # else a later option could change what a script's abbreviation means
    )
    add = parser.add_argument
    add("-c", "--config", metavar="INI", action=Once, help="Pyramid ini file with the settings")
    add("--input-file", metavar="FILE", action=Once, help="snapshot of the model that --model-name names")
    add("--model-name", choices=("patient", "payment"), action=Once, help="what the input file holds")
    add("--patients", metavar="FILE", action=Once, help="snapshot of all patients")
    add("--payments", metavar="FILE", action=Once, help="snapshot of all payments; with --patients: one transaction")
    add("--dry-run", action="store_true", help="say what would happen, change nothing")
    add("--force", action="store_true", help="compare even if the snapshot is byte for byte the last one")
    add("--strict", action="store_true", help="refuse the sync if any row is rejected")
    add(
        "--max-delete",
        metavar="N|P%",
        type=_limit,
        help="how many of the stored rows of a model may be deleted, as a count or a percentage "
        "(default: the setting paymentagg.max_delete)",
    )
    add(
        "--taken-at",
        metavar="TIME",
        type=_time,
        help="when the snapshots were taken, such as 2026-01-31T18:00:00Z; older than the last one: refused",
    )
    add("--rejects", metavar="FILE", action=Once, help="write every rejected row to this file, as NDJSON")
    add("--json", action="store_true", help="print the report as JSON on standard output, and nothing else there")
    add(
        "-v",
        dest="verbosity",
        type=int,
        choices=range(4),
        default=1,
        help="0 silent; 1 summary and rejected rows (default); 2 also every change; 3 also how long each step took",
    )
    add("--no-color", dest="color", action="store_false", help="no colours")
    add("--no-progress", dest="progress", action="store_false", help="no progress bar or lines")
    add("--traceback", action="store_true", help="show where an unexpected error came from")
    add("--version", action=Version, nargs=0, help="print the version and exit")
    return parser


def _limit(text: str) -> "DeletionLimit":
    from paymentagg.domain.deletion_guard import (
        DeletionLimit,  # costs a quarter of what --help may take, and it needs none
    )

    try:
        return DeletionLimit.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _time(text: str) -> "datetime":
    from datetime import UTC, datetime  # as above

    from paymentagg.domain.taken_at import parse_taken_at

    try:
        return parse_taken_at(text, datetime.now(UTC))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


class Once(argparse.Action):
    """Stores a value, but not over another one: of two snapshots of a model the first would be lost silently."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 -- the signature is argparse's
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "given twice")
        setattr(namespace, self.dest, values)


class Version(argparse.Action):
    """Prints the version; looks it up only when asked."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 -- the signature is argparse's
        values: object,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        from importlib.metadata import version

        parser._print_message(f"{parser.prog} {version('paymentagg')}\n", sys.stdout)
        parser.exit()
