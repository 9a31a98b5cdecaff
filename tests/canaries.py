"""Canaries: names, dates and amounts that no log may show, and too unusual to occur in one by accident."""

import re

NAMES = ("Deckard", "Stratton", "Batti", "Batty", "Tyrell", "Kanarienvogel")
BIRTHS = ("2094-02-01", "2093-12-20", "2093-06-12", "2056-04-01", "1903-07-29")
AMOUNTS = ("4.46", "17.22", "23.32", "7731904.27")
IDS = ("kanarie-id",)
SECRETS = ("kanarie-secret", "kanarie-value")

OF_PATIENTS = (*NAMES, *BIRTHS, *AMOUNTS)


def found(text: str | bytes, canaries: tuple[str, ...]) -> list[str]:
    """Return the canaries that occur in a text."""
    text = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return [canary for canary in canaries if _occurs(canary, text)]


def _occurs(canary: str, text: str) -> bool:
    if not canary[0].isdigit():
        return canary in text
    # Digits before or after it, or a colon before it, make it another number: 4.46 in 11:14:14.463231 is no amount,
    # and neither is 17.22 in 11:02:17.22.
    return re.search(rf"(?<![0-9])(?<![0-9]:){re.escape(canary)}(?![0-9])", text) is not None
