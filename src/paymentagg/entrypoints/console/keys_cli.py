"""The console script paymentagg-keys: parse the command line, run, print."""

import argparse
import sys
from collections.abc import Sequence

from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import MAX_DAYS
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

_DESCRIPTION = "Create, list, revoke and rotate API keys, which clients need if paymentagg.access = keys."

_EPILOG = """\
create and rotate print only the new key on standard output: KEY=$(paymentagg-keys create …). It can't be shown
again, since only its digest is stored. Without -c, the settings are those of paymentagg-sync.

exit status: 0 done; 1 unexpected error; 2 usage; 5 a sync is running; 6 the database can't be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-keys and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-keys")

    def work() -> int:
        options = _parse(argv)
        from paymentagg.entrypoints.console import keys_run  # imports Pyramid and SQLAlchemy: too slow for --help

        return keys_run.run(options, ini_file(options.config), screen)

    def explain(error: BaseException) -> str:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted; paymentagg-keys list shows what has been done"
        return program.explained(error)

    return program.run(work, lambda: screen, explain)


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-keys", _DESCRIPTION, _EPILOG)
    add_config(parser)
    add_practice(parser)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{create,list,revoke,rotate}")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        add_config(added, of_command=True)
        add_practice(added, of_command=True)
        return added

    create = command("create", "create a key and print it")
    create.add_argument("--role", choices=[role.value for role in Role], required=True, help="what the key permits")
    create.add_argument("--name", required=True, help="the client that will use the key")
    every = command("list", "list all keys with their states")
    every.add_argument("--json", action="store_true", help="print JSON")
    revoke = command("revoke", "revoke a key, at once and for ever")
    rotate = command("rotate", "create a second key of the same name and role; the first one stays valid")
    for one in (revoke, rotate):
        one.add_argument("id", metavar="ID", help="the id of the key: the 8 characters before its second _")
    for one in (create, rotate):
        text = f"days until it expires: 1 to {MAX_DAYS} (default: %(default)s)"
        one.add_argument("--expires-in", metavar="DAYS", dest="days", type=int, default=90, help=text)
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
