"""The console script paymentagg-history: parse the command line, run, print."""

import argparse
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import (
    Version,
    add_config,
    add_practice,
    config_problem,
    ini_file,
    parser_of,
)
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = "Erase what is kept of past syncs: all that is old, or all that is about one deleted patient."

_EPILOG = """\
What is erased can't be undone, and neither can a sync whose changes were erased. On PostgreSQL this needs the role
that owns the tables. Without -c, the settings are those of paymentagg-sync.

exit status: 0 done; 1 unexpected error; 2 usage, or the patient is still stored; 5 a sync is running; 6 the database
can't be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-history and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-history")

    def work() -> int:
        options = _parse(argv)
        from paymentagg.entrypoints.console import history_run  # imports SQLAlchemy: too slow for --help

        return history_run.run(options, ini_file(options.config), screen)

    def explain(error: BaseException) -> str:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted; run the command again to erase what is left"
        return program.explained(error)

    return program.run(work, lambda: screen, explain)


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-history", _DESCRIPTION, _EPILOG)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{prune,forget}")
    text = "erase the changes and the rejected rows of all syncs that are older than the days to keep"
    prune = commands.add_parser("prune", help=text, description=text, allow_abbrev=False)
    text = "days to keep, 0 for none (default: the setting paymentagg.history_days)"
    prune.add_argument("--days", metavar="N", help=text)
    text = "erase a deleted patient and their payments from the changes, the rejected rows and the reports of all syncs"
    forget = commands.add_parser("forget", help=text, description=text, allow_abbrev=False)
    forget.add_argument("id", metavar="EXTERNAL_ID", help="the external id of the patient, who must not be stored")
    add_config(parser)
    add_practice(parser)
    for command in (prune, forget):
        add_config(command, of_command=True)
        add_practice(command, of_command=True)
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line.

    Raises:
        SystemExit: 2 after printing a usage error on standard error, 0 after ``--help`` or ``--version``.
    """
    parser = options_parser()
    options = parser.parse_args(argv)
    problem = config_problem(options.config)
    if problem:
        parser.error(problem)
    return options
