"""The console script paymentagg-sync: parse, call, present."""

import os
import sys
from collections.abc import Sequence

from paymentagg.entrypoints.console import sync_options, terminal
from paymentagg.entrypoints.console.interruption import Interruption, Stage
from paymentagg.entrypoints.console.terminal import Terminal

_CONSEQUENCE = {
    Stage.BEFORE_COMMIT: "nothing was changed",
    # An answer to COMMIT that is lost says neither yes nor no.
    Stage.COMMITTING: "it came while committing, so the sync is done whole or not at all; running it again is right",
    Stage.COMMITTED: "the sync is done",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-sync and return its exit status."""
    try:
        return _main(argv)
    finally:
        terminal.flush()


def _main(argv: Sequence[str] | None) -> int:
    with Interruption() as interruption:
        screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False)
        try:
            options = sync_options.parse(argv)
            color = options.color and terminal.wants_color(sys.stderr, os.environ)
            screen = Terminal(sys.stdout, sys.stderr, verbosity=options.verbosity, color=color)
            from paymentagg.entrypoints.console import (
                sync_run,  # brings Pyramid and SQLAlchemy, which take longer than --help may
            )

            return sync_run.run(options, screen, interruption)
        except SystemExit as done:  # argparse has said what there is to say
            return int(done.code or 0)
        except BaseException as error:  # noqa: BLE001 -- the last resort: nothing may print what an error holds
            return _failed(error, interruption, screen, traceback="--traceback" in (argv or sys.argv))


def _failed(error: BaseException, interruption: Interruption, screen: Terminal, *, traceback: bool) -> int:
    """Say why there is no outcome, and return the exit status for it."""
    from paymentagg.domain.errors import PaymentAggError
    from paymentagg.entrypoints.console import exit_codes
    from paymentagg.entrypoints.safe_traceback import where

    consequence = _CONSEQUENCE[interruption.stage]
    if interruption.signal is not None and interruption.interrupted:
        screen.error(f"interrupted by {interruption.signal.name}; {consequence}")
        return exit_codes.INTERRUPTED + interruption.signal
    if isinstance(error, PaymentAggError):
        screen.error(f"{error}; {consequence}")
    else:
        hint = "" if traceback else "; --traceback shows where it came from"
        screen.error(f"unexpected error: {type(error).__name__}{hint}; {consequence}")
        if traceback:
            screen.plain(where(error))
    return exit_codes.status_of_error(error)
