"""The rules for every text that is stored: ids and names."""

import re

MAX_TEXT = 250
"""The longest id or name, in code points."""

# Control characters (category Cc), surrogates and the 66 noncharacters of the Unicode Standard, section 23.7.
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
INVALID_TEXT = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
"""Matches a character that no text may contain."""
