"""Where an error came from, without what it says: messages of errors may hold data of patients."""

import logging
import traceback
from collections.abc import Iterator
from typing import Any


class Formatter(logging.Formatter):
    """Writes of an error that is logged, by libraries too, where it came from and not what it says."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  the name is that of logging
        return where(ei[1])


def where(error: BaseException) -> str:
    """Return the stack frames and the type of an error, and of those it came from, the first cause first.

    Neither messages nor source lines nor values are in it.
    """
    return "\n".join(_lines(error))


def _lines(error: BaseException) -> Iterator[str]:
    for one in reversed(_chain(error)):
        for frame, line in traceback.walk_tb(one.__traceback__):
            code = frame.f_code
            yield f'  File "{code.co_filename}", line {line}, in {code.co_qualname}'
        yield _name(type(one))


def _chain(error: BaseException) -> list[BaseException]:
    """The error, what it was raised from, what that was raised from, and so on."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return chain


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
