"""Compares what a command printed with what a page shows: times, ids of keys, digests and durations differ each time.

``…`` in what is shown stands for any text, so that a page needn't show all of it.
"""

import re

_VOLATILE = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d+)?", "TIME"),
    (r"\b\d{8}T\d{6}Z", "TIME"),
    (r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} [\d:]{8} GMT", "TIME"),
    (r"\b[0-9a-f]{32,64}\b", "DIGEST"),
    (r"\bpagg_[\w.-]+", "KEY"),
    (r"\bkey [0-9a-z]{8}\b", "key ID"),
    (r"\b\d+(\.\d+)? (m?s|ms)\b", "DURATION"),
    (r'(?<="duration":)[\d.]+', "DURATION"),
    (r'"[0-9a-z]+-[0-9a-f]{8,}"', "TAG"),
    (r"\b\d+\.\d+\.\d+(\.dev\d+|rc\d+)?\b(?!\.\d)", "VERSION"),
)


def normalized(text: str) -> str:
    """Return a text with each volatile part replaced by what it is."""
    for pattern, word in _VOLATILE:
        text = re.sub(pattern, word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def agrees(printed: str, shown: str) -> bool:
    """Return whether a command printed what a page shows."""
    parts = normalized(shown).split("…")
    return re.fullmatch(".*".join(map(re.escape, parts)), normalized(printed), re.DOTALL) is not None
