"""The console script paymentagg-diff: parse the command line, run, print."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import STDIN, Once, Version, add_output, config_problem, parser_of
from paymentagg.entrypoints.console.interruption import Interruption
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = """\
Compare two snapshots without a database: print the report of a sync of NEW where OLD is stored.
Payments are compared without a snapshot of the patients: every patient of a payment is known."""

_EPILOG = """\
OLD and NEW are what paymentagg-sync takes: - for standard input, a JSON array or one object per line, gzipped or not.

exit status: 0 done; 1 unexpected error; 2 usage; 3 done, but rows of OLD or NEW were rejected;
7 a snapshot can't be read; 130 or 143 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-diff and return its exit status."""
    screen = _screen(terminal.SUMMARY, color=False)
    with Interruption(is_last=argv is None) as interruption:

        def work() -> int:
            nonlocal screen
            with interruption.surfacing(), ExitStack() as stack:
                options = _parse(argv)
                color = options.color and terminal.wants_color(sys.stderr, os.environ)
                screen = _screen(options.verbosity, color=color)
                # Imported late: it takes much longer than --help.
                from paymentagg.entrypoints.console import diff_run

                return diff_run.run(options, screen, interruption, stack)

        return program.run(work, lambda: screen, program.explained)


def _screen(verbosity: int, *, color: bool) -> Terminal:
    return Terminal(sys.stdout, sys.stderr, verbosity=verbosity, color=color, program="paymentagg-diff")


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-diff", _DESCRIPTION, _EPILOG)
    add = parser.add_argument
    add("old", metavar="OLD", help="the earlier snapshot")
    add("new", metavar="NEW", help="the later snapshot")
    add("-c", "--config", metavar="INI", action=Once, help="Pyramid ini file with the limit on the size of snapshots")
    add("--model-name", choices=("patient", "payment"), required=True, action=Once, help="model of both snapshots")
    add_output(parser, levels=3)
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
    if options.old == STDIN == options.new:
        problem = "only one of OLD and NEW can be standard input; give a file for the other"
    if problem:
        parser.error(problem)
    return options
