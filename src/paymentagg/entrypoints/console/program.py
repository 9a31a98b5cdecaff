"""Error handling of all console scripts: an error is one line on standard error and an exit status, not a traceback."""

from collections.abc import Callable

from paymentagg.entrypoints.console import terminal
from paymentagg.entrypoints.console.interruption import Interrupted
from paymentagg.entrypoints.console.terminal import Terminal


def run(work: Callable[[], int], screen: Callable[[], Terminal], explain: Callable[[BaseException], str]) -> int:
    """Call ``work``, print any error, and return the exit status of the console script.

    Args:
        screen: returns the terminal to print on, which is replaced once the options are known.
        explain: returns the message to print for an error.
    """
    try:
        status = work()
        return 1 if screen().failed else status  # UNEXPECTED, whose module is slow to import
    except SystemExit as done:  # argparse has printed the usage, the help or the version
        return int(done.code or 0)
    except BaseException as error:  # noqa: BLE001 -- a traceback would print the error's message, which may hold data
        from paymentagg.entrypoints.console.exit_codes import status_of_error

        screen().error(explain(error))
        return status_of_error(error)
    finally:
        terminal.flush()


def explained(error: BaseException) -> str:
    """Return the message of an error; for an unexpected one only its type, since its message may hold data."""
    from paymentagg.domain.errors import PaymentAggError  # imported late to keep --help fast

    if isinstance(error, Interrupted):
        return f"interrupted by {error.signal.name}"
    return str(error) if isinstance(error, PaymentAggError) else f"unexpected error: {type(error).__name__}"
