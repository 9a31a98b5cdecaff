"""The console script paymentagg-sync: parse the command line, run, print."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from paymentagg.entrypoints.console import program, sync_options, terminal
from paymentagg.entrypoints.console.interruption import Interrupted, Interruption, Stage
from paymentagg.entrypoints.console.terminal import Terminal

_CONSEQUENCE = {
    Stage.BEFORE_COMMIT: "nothing was changed",
    # If the response to COMMIT is lost, it is unknown whether the sync was committed.
    Stage.COMMITTING: (
        "this happened during the commit, so the sync is done completely or not at all; it is safe to run it again"
    ),
    Stage.COMMITTED: "the sync is done",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run paymentagg-sync and return its exit status."""
    screen = Terminal(sys.stdout, sys.stderr, verbosity=terminal.SUMMARY, color=False)
    with Interruption(is_last=argv is None) as interruption:

        def work() -> int:
            nonlocal screen
            with interruption.surfacing(), ExitStack() as stack:
                options = sync_options.parse(argv)
                color = options.color and terminal.wants_color(sys.stderr, os.environ)
                screen = Terminal(sys.stdout, sys.stderr, verbosity=options.verbosity, color=color)
                # Imported late: it takes much longer than --help.
                from paymentagg.entrypoints.console.sync_run import SyncRun

                return SyncRun(options, screen, interruption, stack).run()

        def explain(error: BaseException) -> str:
            return _explained(error, _CONSEQUENCE[interruption.stage], traceback="--traceback" in (argv or sys.argv))

        return program.run(work, lambda: screen, explain)


def _explained(error: BaseException, consequence: str, *, traceback: bool) -> str:
    """Return the message of an error, with its consequence for the stored data."""
    from paymentagg.domain.errors import DeletionRefused, PaymentAggError
    from paymentagg.entrypoints.safe_traceback import where

    if isinstance(error, DeletionRefused):
        return f"{error}; if that is right: --max-delete {error.needed}; {consequence}"
    if isinstance(error, Interrupted | PaymentAggError):
        return f"{program.explained(error)}; {consequence}"
    if traceback:
        return f"{program.explained(error)}; {consequence}\n{where(error)}"
    return f"{program.explained(error)}; --traceback shows where it was raised; {consequence}"
