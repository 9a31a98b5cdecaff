"""Tracebacks without error messages, which may contain data of patients; messages for users without tracebacks."""

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from paymentagg.domain.errors import PaymentAggError
from paymentagg.entrypoints import request_id

log = logging.getLogger(__name__)


class Formatter(logging.Formatter):
    """Logs stack frames and types of errors, those of libraries too, without their messages."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is that of logging
        """Return the line; the id of the request that it belongs to, if any, comes before its message."""
        request = request_id.current.get()
        if request is not None:
            record.message = f"[{request}] {record.message}"
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  the name is that of logging
        """Return the frames and types, as ``where`` does."""
        return where(ei[1])


def where(error: BaseException) -> str:
    """Return the stack frames and types of an error and its causes, the first cause first.

    The text contains no messages, source lines or values.
    """
    return "\n".join(_lines(error))


def log_unexpected(error: BaseException, incident: str) -> None:
    """Log the types and stack frames of an error under an id that the user is told.

    The message is left out: it may contain names or amounts.
    """
    log.error("internal error %s:\n%s", incident, where(error))


def print_in_one_line() -> None:
    """Make Python print an error that ends the process as one line, without a traceback, if its message is for users.

    For programs that aren't ours: an error that is raised out of pserve ends it with status 1, but SystemExit with 0.
    """
    sys.excepthook = _print_error


def _print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, PaymentAggError):
        sys.stderr.write(f"{Path(sys.argv[0]).name}: error: {error}\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _lines(error: BaseException) -> Iterator[str]:
    for one in reversed(_chain(error)):
        for frame, line in traceback.walk_tb(one.__traceback__):
            code = frame.f_code
            yield f'  File "{code.co_filename}", line {line}, in {code.co_qualname}'
        yield _name(type(one))


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error, its cause, the cause of that, and so on."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return chain


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
