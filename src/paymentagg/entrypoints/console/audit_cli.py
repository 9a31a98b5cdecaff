"""The console script paymentagg-audit: parse the command line, run, print."""

import argparse
import re
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import audit_run, program, terminal
from paymentagg.entrypoints.console.command_line import (
    Version,
    add_config,
    add_practice,
    config_problem,
    ini_file,
    parser_of,
)
from paymentagg.entrypoints.console.terminal import Terminal

_DESCRIPTION = "Verify the audit log, rotate it, and find who has read a patient."

_EPILOG = """\
The chain proves that no line was changed, added or removed, but not that no lines were cut off at its end or that the
whole log wasn't rewritten. To detect that, record the last hash elsewhere each day, and verify with --last.

exit status: 0 the chain holds; 1 it doesn't, or another error; 2 usage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-audit and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-audit")

    def work() -> int:
        options = _parse(argv)
        if options.command == "verify":
            return audit_run.verify(options.files, options.last, screen)
        if options.command == "who-saw":
            return audit_run.who_saw(ini_file(options.config), options, screen)
        return audit_run.rotate(ini_file(options.config), screen)

    return program.run(work, lambda: screen, program.explained)


def _hash(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("must be 64 hexadecimal digits (0-9, a-f), as verify prints them")
    return text


def options_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("paymentagg-audit", _DESCRIPTION, _EPILOG)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="verify the chain through files, oldest first")
    verify.add_argument("--last", metavar="HASH", type=_hash, help="a recorded hash that must be in the chain")
    verify.add_argument("files", metavar="FILE", nargs="+")
    rotate = commands.add_parser("rotate", help="continue in a new file, and print the new path of the old one")
    who_saw = commands.add_parser("who-saw", help="print who has read a patient, or the patient's payments")
    who_saw.add_argument("id", metavar="ID", help="the external id of the patient")
    text = "files of the log to search (default: the log of the settings and its rotated files in the same folder)"
    who_saw.add_argument("files", metavar="FILE", nargs="*", help=text)
    add_practice(who_saw)
    for command in (rotate, who_saw):
        add_config(command)
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = options_parser()
    options = parser.parse_args(argv)
    problem = config_problem(options.config) if options.command != "verify" else None
    if problem:
        parser.error(problem)
    return options
