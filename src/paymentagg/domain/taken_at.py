"""The time at which a snapshot was taken. A snapshot older than the last one applied is out of date, and refused."""

import re
from datetime import UTC, datetime, timedelta

MAX_AHEAD = timedelta(minutes=5)
"""How far the clock of another machine may be ahead of this one's."""

# A date-time of RFC 3339, section 5.6, with at most microseconds, the resolution of datetime.
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def parse_taken_at(text: str, now: datetime) -> datetime:
    """Return the time at which a snapshot was taken, in UTC.

    Raises:
        ValueError: the text isn't an RFC 3339 date-time with a time zone, or is more than MAX_AHEAD in the future.
    """
    try:
        if not _DATE_TIME.fullmatch(text):
            raise ValueError(text)
        time = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a time with a time zone, such as 2026-01-31T18:00:00Z") from None
    if time > now + MAX_AHEAD:
        raise ValueError("is in the future; check the clock of the machine that took the snapshot")
    return time
