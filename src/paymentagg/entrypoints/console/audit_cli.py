"""The console script paymentagg-audit: verifies the audit log, and lets a new file take the place of a full one."""

import argparse
import fcntl
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from paymentagg.domain.audit_chain import Chain, Finding
from paymentagg.domain.errors import PaymentAggError
from paymentagg.entrypoints.console import exit_codes, terminal
from paymentagg.entrypoints.console.sync_options import Version, config_problem, ini_file
from paymentagg.entrypoints.console.terminal import Terminal, moment, printable

_DESCRIPTION = "Verify the audit log, and rotate it."

_EPILOG = """\
The chain shows that no line was changed, added or taken out. That lines at its end were cut off, or that all of it was
written anew, shows only a hash that was noted elsewhere: note the last hash each day, and verify with --last.

exit status: 0 the chain holds; 1 it doesn't, or another error; 2 usage."""

_BROKEN = "does not follow what stands before it: one of them was changed, or something between them is missing"
_TORN = "is torn: a process ended in the middle of writing it, or the disk was full"


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-audit and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False, program="paymentagg-audit")
    try:
        options = _parse(argv)
        return _verify(options, screen) if options.command == "verify" else _rotate(options, screen)
    except SystemExit as done:  # argparse has said what there is to say
        return int(done.code or 0)
    except PaymentAggError as error:
        screen.error(str(error))
        return exit_codes.status_of_error(error)
    except OSError as error:
        screen.error(f"{printable(str(error.filename))} can't be read: {error.strerror}")
        return exit_codes.USAGE
    finally:
        terminal.flush()


def _verify(options: argparse.Namespace, screen: Terminal) -> int:
    """Follow the chain through the files, and say where it breaks."""
    chain = Chain()
    holds, seen = True, options.last is None
    for file in options.files:
        for number, line in enumerate(_lines(Path(file)), 1):
            finding = chain.add(line)
            if finding is not Finding.FOLLOWS:
                screen.note(f"{printable(file)}: line {number} {_TORN if finding is Finding.TORN else _BROKEN}")
            holds &= finding is not Finding.BROKEN
            seen = seen or options.last == chain.head
    if chain.first is None or chain.last is None:
        screen.error("there is no whole line, so this is no audit log")
        return exit_codes.UNEXPECTED
    if not (seen or options.last == chain.first.previous):
        screen.error("no line has the noted hash: it was changed, or the end of the log is missing")
        holds = False
    begin = "begins here" if chain.first.previous is None else f"goes on from {chain.first.previous}"
    screen.line(f"{chain.lines} lines from {moment(chain.first.time)} to {moment(chain.last.time)}; the chain {begin}")
    screen.line(f"last hash: {chain.head}")
    screen.line("the chain holds" if holds else "the chain is BROKEN")
    return exit_codes.DONE if holds else exit_codes.UNEXPECTED


def _rotate(options: argparse.Namespace, screen: Terminal) -> int:
    """Let a new file go on from the one that is there, and say what that is called now."""
    from paymentagg.entrypoints.console.app_request import request_of
    from paymentagg.entrypoints.http.auditing import rotate  # brings Pyramid and SQLAlchemy, which verifying needs not

    with ExitStack() as stack:
        screen.line(str(rotate(request_of(ini_file(options.config), stack))))
    return exit_codes.DONE


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines that are in the file now, without their newlines."""
    with file.open("rb") as log:
        fcntl.flock(log, fcntl.LOCK_SH)  # nobody is in the middle of a line
        left = os.fstat(log.fileno()).st_size
        fcntl.flock(log, fcntl.LOCK_UN)
        while left and (line := log.readline(left)):
            left -= len(line)
            yield line.removesuffix(b"\n")


def _hash(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError("must be 64 hexadecimal digits, as verify prints them")
    return text


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="paymentagg-audit",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    verify = commands.add_parser("verify", help="follow the chain through files in the order they were written in")
    verify.add_argument("--last", metavar="HASH", type=_hash, help="a hash noted before, which must be in the chain")
    verify.add_argument("files", metavar="FILE", nargs="+")
    rotate = commands.add_parser("rotate", help="go on in a new file, and print what the old one is called now")
    rotate.add_argument("-c", "--config", metavar="INI", help="Pyramid ini file with the settings")
    options = parser.parse_args(argv)
    problem = config_problem(options.config) if options.command == "rotate" else None
    if problem:
        parser.error(problem)
    return options
