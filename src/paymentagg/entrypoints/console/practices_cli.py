"""The console script paymentagg-practices: parse the command line, run, print."""

import argparse
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import Version, add_config, config_problem, ini_file, parser_of
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = "Create, list, archive and migrate the practices of a database, where paymentagg.practices = many."

_EPILOG = """\
This needs the role that owns the tables, and to create also the privilege CREATE on the database. Each practice is done
in one transaction, so an interrupted command can be run again. Without -c, the settings are those of paymentagg-sync.

exit status: 0 done; 1 some practices failed, or an unexpected error; 2 usage; 5 a sync is running; 6 the database
can't be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-practices and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-practices")

    def work() -> int:
        options = _parse(argv)
        from paymentagg.entrypoints.console import practices_run  # imports SQLAlchemy: too slow for --help

        return practices_run.run(options, ini_file(options.config), screen)

    def explain(error: BaseException) -> str:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted; what is done is kept: paymentagg-practices list shows it, and run the command again"
        return program.explained(error)

    return program.run(work, lambda: screen, explain)


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError("must be a number from 1 to 64")
    return int(text)


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-practices", _DESCRIPTION, _EPILOG)
    add_config(parser)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{create,list,archive,migrate}")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        add_config(added, of_command=True)
        return added

    text = "create practices, each with a schema of its name"
    command("create", text).add_argument("names", metavar="NAME", nargs="+", help="1 to 31 of a-z, 0-9 and _")
    every = command("list", "list all practices with the revision and the state of each")
    every.add_argument("--json", action="store_true", help="print JSON")
    text = "make a practice read-only"
    command("archive", text).add_argument("names", metavar="NAME", nargs=1, help="the name of the practice")
    migrate = command("migrate", "bring practices to the schema of this version, and renew the privileges in them")
    migrate.add_argument("names", metavar="NAME", nargs="*", help="the practices (default: all)")
    migrate.add_argument("--jobs", metavar="N", type=_jobs, default=1, help="how many side by side (default: 1)")
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
