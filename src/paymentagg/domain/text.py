"""The rules for every text that is stored: ids and names."""

import re

MAX_TEXT = 250
"""The longest id or name, in code points."""

# Control characters (category Cc), surrogates and the 66 noncharacters of the Unicode Standard, section 23.7.
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
INVALID_TEXT = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
"""Matches a character that no text may contain."""


def is_storable(text: str) -> bool:
    """Return whether a text of this length and with these characters can be stored; an empty one counts too."""
    return len(text) <= MAX_TEXT and not INVALID_TEXT.search(text)


MAX_SHOWN = 100
"""The longest value that is shown of a rejected row, in characters after escaping."""


def shown(text: str) -> str:
    r"""Return a text for a report: what no text may contain is escaped as in JSON (``\u0000``), the rest as it is.

    It is clipped to MAX_SHOWN characters; if any are missing, the last one is an ellipsis (``…``).
    """
    if len(text) <= MAX_SHOWN and text.isprintable():
        return text  # all invalid text is not printable
    escaped = INVALID_TEXT.sub(_escaped, text[: MAX_SHOWN + 1])  # which makes it longer, if anything
    return escaped if len(escaped) <= MAX_SHOWN else f"{escaped[: MAX_SHOWN - 1]}…"


def _escaped(match: re.Match[str]) -> str:
    """Return the match as UTF-16 units, each as ``\\u`` and four hexadecimal digits."""
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
