"""What the console scripts share: an error is one line on standard error and an exit status, never a traceback."""

from collections.abc import Callable

from paymentagg.entrypoints.console import terminal
from paymentagg.entrypoints.console.terminal import Terminal


def run(work: Callable[[], int], screen: Callable[[], Terminal], explain: Callable[[BaseException], str]) -> int:
    """Do the work of a console script and return its exit status.

    Args:
        screen: the terminal to print on; it may become another one once the options are known.
        explain: what to print of an error.
    """
    try:
        return work()
    except SystemExit as done:  # argparse has printed the usage, the help or the version
        return int(done.code or 0)
    except BaseException as error:  # noqa: BLE001 -- the last resort: a traceback would print what an error holds
        from paymentagg.entrypoints.console.exit_codes import status_of_error

        screen().error(explain(error))
        return status_of_error(error)
    finally:
        terminal.flush()


def explained(error: BaseException) -> str:
    """Return what may be printed of an error: of an unexpected one its type alone, since its message may hold data."""
    from paymentagg.domain.errors import PaymentAggError  # --help must not wait for it

    return str(error) if isinstance(error, PaymentAggError) else f"unexpected error: {type(error).__name__}"
