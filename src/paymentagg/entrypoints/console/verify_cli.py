"""The console script paymentagg-verify: parse the command line, run, print."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import STDIN, Once, Version, add_practice, config_problem, parser_of
from paymentagg.entrypoints.console.interruption import Interrupted, Interruption
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = """\
Check the whole database: totals, relations, the record of syncs, the history, and what the schema enforces.
With files, also prove that the stored rows are those of the files. Nothing is changed, and syncs go on meanwhile."""

_EPILOG = """\
FILE is what paymentagg-sync takes: - for standard input, a JSON array or one object per line, gzipped or not.
Without -c, the settings are those of paymentagg-sync.

exit status: 0 all holds; 1 damage, or an unexpected error; 2 usage; 3 the database differs from the files;
6 the database can't be used; 7 a file can't be read; 130 or 143 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-verify and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-verify")
    with Interruption(is_last=argv is None) as interruption:

        def work() -> int:
            with interruption.surfacing(), ExitStack() as stack:
                options = _parse(argv)
                # Imported late: it takes much longer than --help.
                from paymentagg.entrypoints.console import verify_run

                return verify_run.run(options, screen, interruption, stack)

        return program.run(work, lambda: screen, _explained)


def _explained(error: BaseException) -> str:
    explained = program.explained(error)
    return f"{explained}; nothing was changed" if isinstance(error, Interrupted) else explained


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-verify", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("-c", "--config", metavar="INI", action=Once, help="Pyramid ini file with the settings")
    add_practice(parser)
    add("--patients", metavar="FILE", action=Once, help="snapshot of all patients to compare with")
    add("--payments", metavar="FILE", action=Once, help="snapshot of all payments to compare with")
    add("--version", action=Version, nargs=0, help="print the version and exit")
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line.

    Raises:
        SystemExit: 2 after printing a usage error on standard error, 0 after ``--help`` or ``--version``.
    """
    parser = options_parser()
    options = parser.parse_args(argv)
    problem = config_problem(options.config)
    if options.patients == STDIN == options.payments:
        problem = "only one of --patients and --payments can be standard input; give a file for the other"
    if problem:
        parser.error(problem)
    return options
