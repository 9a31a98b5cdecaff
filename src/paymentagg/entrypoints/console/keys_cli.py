"""The console script paymentagg-keys: parse the command line, run, print."""

import argparse
import sys
from collections.abc import Sequence

from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import MAX_DAYS
from paymentagg.entrypoints.console import program, terminal
from paymentagg.entrypoints.console.sync_options import Version, config_problem, ini_file
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = "Make and take back the API keys that are needed where paymentagg.access = keys."

_EPILOG = """\
create and rotate print the new key on standard output and nothing else there: KEY=$(paymentagg-keys create …).
It can't be shown again, since only a digest of it is stored. Settings come from where paymentagg-sync takes them.

exit status: 0 done; 1 unexpected error; 2 usage; 5 a sync is running; 6 the database can't be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-keys and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-keys")

    def work() -> int:
        options = _parse(argv)
        from paymentagg.entrypoints.console import keys_run  # Pyramid and SQLAlchemy: --help can't wait

        return keys_run.run(options, ini_file(options.config), screen)

    def explain(error: BaseException) -> str:
        if isinstance(error, KeyboardInterrupt):
            return "interrupted; paymentagg-keys list shows what has been done"
        return program.explained(error)

    return program.run(work, lambda: screen, explain)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line asks for.

    Raises:
        SystemExit: 2 where it can't be understood (said on standard error), 0 after ``--help`` and ``--version``.
    """
    parser = argparse.ArgumentParser(
        prog="paymentagg-keys",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_config(parser, default=None)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{create,list,revoke,rotate}")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        _add_config(added, default=argparse.SUPPRESS)  # or it would undo what stands before the command
        return added

    create = command("create", "make a key, and print it")
    create.add_argument("--role", choices=[role.value for role in Role], required=True, help="what it is for")
    create.add_argument("--name", required=True, help="whose it is: the client that will use it")
    every = command("list", "show all keys, and whether they live")
    every.add_argument("--json", action="store_true", help="as JSON")
    revoke = command("revoke", "make a key useless at once, for ever")
    rotate = command("rotate", "make a second key of the same name and role; the first one goes on living")
    for one in (revoke, rotate):
        one.add_argument("id", metavar="ID", help="the key's public id: the 8 characters behind pagg_")
    for one in (create, rotate):
        text = f"how long it lives: 1 to {MAX_DAYS} days (default: %(default)s)"
        one.add_argument("--expires-in", metavar="DAYS", dest="days", type=int, default=90, help=text)
    options = parser.parse_args(argv)
    problem = config_problem(options.config)
    if problem:
        parser.error(problem)
    return options


def _add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument("-c", "--config", metavar="INI", default=default, help="Pyramid ini file with the settings")
