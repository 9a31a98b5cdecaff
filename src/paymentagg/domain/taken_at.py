"""The order of snapshots: one that was taken before the last one applied says what is no longer so."""

import re
from datetime import UTC, datetime, timedelta

MAX_AHEAD = timedelta(minutes=5)
"""How far a clock elsewhere may be ahead of ours."""

# The grammar of date-time of RFC 3339, section 5.6; our times have microseconds.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def parse_taken_at(text: str, now: datetime) -> datetime:
    """Return the time at which a snapshot was taken, in UTC.

    Raises:
        ValueError: it is no time of RFC 3339 with its zone, or lies in the future.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        time = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time with its zone, such as 2026-01-31T18:00:00Z") from None
    if time > now + MAX_AHEAD:
        raise ValueError("lies in the future; is the clock right?")
    return time
