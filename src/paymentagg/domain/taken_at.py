"""Times as clients send them, above all the time at which a snapshot was taken.

A snapshot older than the last one applied is out of date, and refused.
"""

import re
from datetime import UTC, datetime, timedelta

MAX_AHEAD = timedelta(minutes=5)
"""How far the clock of another machine may be ahead of this one's."""

# A date-time of RFC 3339, section 5.6: the date, hour and minute; the second; its fraction; the zone.
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):\d{2}):(\d{2})(?:(\.\d{1,6})\d*)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)


def parse_taken_at(text: str, now: datetime) -> datetime:
    """Return the time at which a snapshot was taken, as ``parse_time`` does.

    Raises:
        ValueError: the text isn't an RFC 3339 date-time with a time zone, or is more than MAX_AHEAD in the future.
    """
    time = parse_time(text)
    if time > now + MAX_AHEAD:
        raise ValueError("is in the future; check the clock of the machine that took the snapshot")
    return time


def parse_time(text: str) -> datetime:
    """Return a time in UTC, cut to microseconds; a leap second is the next second.

    Raises:
        ValueError: the text isn't an RFC 3339 date-time with a time zone.
    """
    try:
        match = _DATE_TIME.fullmatch(text)
        if not match:
            raise ValueError(text)
        minute, second, fraction, zone = match.groups(default="")
        is_leap = second == "60"
        text_without_leap = f"{minute}:{'59' if is_leap else second}{fraction}{zone}"
        time = datetime.fromisoformat(text_without_leap.upper()).astimezone(UTC)
        if is_leap and (time.hour, time.minute) != (23, 59):  # RFC 3339, section 5.7
            raise ValueError(text)
        return time + timedelta(seconds=is_leap)
    except (ValueError, OverflowError):
        raise ValueError("must be a time with a time zone, such as 2026-01-31T18:00:00Z") from None
