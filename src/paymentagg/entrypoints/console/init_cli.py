"""The console script paymentagg-init: parse the command line, write the files, print the next commands."""

import argparse
import re
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import Version, parser_of
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = """\
Write production.ini, and the other files that an installation needs, into a folder, and print the next commands."""

_EPILOG = """\
No file is replaced: if one of them exists, nothing is written. The files name the folder of this script, so that
systemd finds the others there.

exit status: 0 done; 1 the folder can't be written, or an unexpected error; 2 usage, or a file exists."""

DATABASES = ("sqlite", "postgresql")


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-init and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-init")

    def work() -> int:
        options = options_parser().parse_args(argv)
        from paymentagg.entrypoints.console import init_run  # imports msgspec: too slow for --help

        return init_run.run(options.folder, options.database, options.user, screen)

    def explain(error: BaseException) -> str:
        return "interrupted; nothing was written" if isinstance(error, KeyboardInterrupt) else program.explained(error)

    return program.run(work, lambda: screen, explain)


def _user(text: str) -> str:
    if not re.fullmatch("[a-z_][a-z0-9_-]{0,31}", text):
        raise argparse.ArgumentTypeError("must be the name of a user: 1 to 32 of a-z, 0-9, _ and -")
    return text


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-init", _DESCRIPTION, _EPILOG)
    parser.add_argument("folder", metavar="DIR", help="the folder of the installation; created if it doesn't exist")
    text = "a file in DIR, for one machine (default), or a PostgreSQL server, for any number"
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help=text)
    text = "the user of the services that are written for systemd (default: %(default)s)"
    parser.add_argument("--user", metavar="NAME", type=_user, default="paymentagg", help=text)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    return parser
