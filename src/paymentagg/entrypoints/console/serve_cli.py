"""The console script paymentagg-serve: parse the command line, serve until a signal arrives."""

import argparse
import re
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.command_line import Version, add_config, config_problem, ini_file, parser_of
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = """\
Serve the API, and the pages for browsers at /ui, until Ctrl-C or SIGTERM. A missing SQLite file is created."""

_EPILOG = """\
Without -c, the settings are those of development.ini in the current folder if there is one, else built-in ones, with
the SQLite file paymentagg.sqlite in the current folder, for clients on this machine, at http://127.0.0.1:6543/ui.
PAYMENTAGG_DATABASE_URL overrides both.

exit status: 0 stopped by a signal; 1 unexpected error; 2 usage, a wrong setting, or the address is taken; 6 the
database can't be used; 130 or 143 a second signal, which ends requests that run."""

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+|\*):[0-9]{1,5}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-serve and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-serve")

    def work() -> int:
        options = _parse(argv)
        from paymentagg.entrypoints.console import serve_run  # imports SQLAlchemy, then Pyramid: too slow for --help

        return serve_run.run(ini_file(options.config), options.listen)

    def explain(error: BaseException) -> str:
        return "interrupted" if isinstance(error, KeyboardInterrupt) else program.explained(error)

    return program.run(work, lambda: screen, explain)


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise argparse.ArgumentTypeError("must be HOST:PORT such as 127.0.0.1:6543 or [::1]:6543")
    return text


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-serve", _DESCRIPTION, _EPILOG)
    add_config(parser)
    text = "the address to listen on, instead of that in [server:main] of the ini file"
    parser.add_argument("--listen", metavar="HOST:PORT", type=_address, help=text)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
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
