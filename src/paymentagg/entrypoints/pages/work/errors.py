"""Errors that only the work of pages has."""

from paymentagg.domain.errors import PaymentAggError


class NothingWaiting(PaymentAggError):
    """The owner has no work in the stage that was asked for: it has expired, or was cancelled or replaced."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__(
            "nothing waits here any more: a preview is kept for 15 minutes, or until the server stops; preview again"
        )


class Abandoned(Exception):
    """A preview ends early because its owner has given it up."""
