"""Practices: their names, which are those of their schemas, and their states."""

import enum
import re

import msgspec

from paymentagg.domain.errors import InvalidParameter

NAME = r"[a-z][a-z0-9_]{0,30}"
"""The pattern of a name. It needs no quoting in a path, a cookie, a key or a file's name."""

_NAME = re.compile(NAME)
_RESERVED = re.compile(r"pg_.*|citus.*|columnar.*|public|information_schema")
"""The schemas of PostgreSQL and of Citus."""


class PracticeState(enum.StrEnum):
    """What may be done with a practice: everything, or nothing but reading."""

    LIVE = "live"
    ARCHIVED = "archived"


class Practice(msgspec.Struct, frozen=True):
    """A practice as it is stored. ``revision`` is the last migration of its schema; None if there was none."""

    name: str
    revision: str | None
    state: PracticeState


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a practice."""
    return _NAME.fullmatch(text) is not None and _RESERVED.fullmatch(text) is None


def checked_name(parameter: str, text: str) -> str:
    """Return the name of a practice.

    Raises:
        InvalidParameter: the text, which ``parameter`` has, isn't one.
    """
    if _NAME.fullmatch(text) is None:
        reason = "must be the name of a practice: 1 to 31 of a-z, 0-9 and _, beginning with a letter"
        raise InvalidParameter(parameter, reason)
    if not is_name(text):
        raise InvalidParameter(parameter, f"must not be {text}: PostgreSQL or Citus uses this name; choose another one")
    return text
