"""How values are written on pages: amounts, counts, dates and times in UTC."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NARROW NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"


def amount(value: Decimal | None) -> str:
    """Return an amount with two decimals and groups of thousands: ``52 301 220.10``."""
    return NOTHING if value is None else f"{value:,.2f}".replace(",", SPACE).replace("-", MINUS)


def count(number: int | None) -> str:
    """Return a whole number in groups of thousands."""
    return NOTHING if number is None else f"{number:,}".replace(",", SPACE)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s but for one: ``1 patient``, ``2 patients``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def day(value: date | None) -> str:
    """Return a date in ISO form."""
    return NOTHING if value is None else value.isoformat()


def clock(at: datetime, now: datetime) -> str:
    """Return a time in UTC: the day, or that it was today or yesterday, and the minute."""
    at, today = at.astimezone(UTC), now.astimezone(UTC).date()
    if at.date() == today:
        return f"today {at:%H:%M}"
    if at.date() == today - timedelta(days=1):
        return f"yesterday {at:%H:%M}"
    return f"{at.day} {at:%b %Y %H:%M}" if at.year != today.year else f"{at.day} {at:%b %H:%M}"


def ago(at: datetime, now: datetime) -> str:
    """Return how long ago a time was, in the largest unit that fits."""
    seconds = max(0, int((now - at).total_seconds()))
    if seconds < 60:
        return "just now"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    raise AssertionError(seconds)


def sentence(message: object) -> str:
    """Return a message as a sentence: messages begin in lower case, since the console puts a name before them."""
    text = str(message)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def size(number: int) -> str:
    """Return a number of bytes in the largest binary unit that fits."""
    value = Decimal(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
