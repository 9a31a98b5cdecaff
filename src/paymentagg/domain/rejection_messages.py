"""What to tell whoever has to mend a rejected row: a message for each code, a more exact one for common mistakes."""

import re

MESSAGES = {
    "not-an-object": "a row must be a JSON object",
    "missing": "this field is required",
    "wrong-type": "this field must be a string; an amount may also be a number",
    "blank": "this field must not be blank",
    "too-long": "this field is longer than 250 characters",
    "untrimmed": "an id must not begin or end with white space",
    "invalid-text": "text must not contain control characters or invalid Unicode",
    "invalid-date": "a date must exist in the calendar and have the form YYYY-MM-DD",
    "invalid-amount": "an amount must be a JSON number, or a string that contains one",
    "too-many-decimals": "an amount can have at most two decimals",
    "out-of-range": "an amount can have at most ten digits before the decimal point",
    "unknown-patient": "no such patient is stored: sync the patients first, or correct this id",
    "duplicate-external-id": "an earlier row with this id is equal: send it once",
    "conflicting-external-id": "rows with this id differ, so none of them was taken: send only the right one",
}
"""The message for each code of a rejected row. No message contains a value, so no log can leak one."""

_CURRENCY = r"[$\u00a2-\u00a5\u20a0-\u20cf]|(?<![a-z])(?:chf|eur|euros?|fr|gbp|usd)(?![a-z])"
_GROUP = r"[,.'\u2019\u00a0\u2009\u202f ]"

_ADVICE = {
    "invalid-amount": [
        (r"-?[0-9]+,[0-9]{1,2}", "write a point before the decimals, not a comma, as in 7.10"),
        (r"\s*", "an amount must not be empty: write a number, as in 7.10"),
        (rf".*?(?:{_CURRENCY}).*", "write the number alone, without a currency"),
        (r"\s.*|.*\s", "leave out the white space before and after the number"),
        (
            rf"-?[0-9]{{1,3}}(?:{_GROUP}[0-9]{{3}})+(?:[.,][0-9]{{1,2}})?",
            "leave out what separates the thousands, and write a point before the decimals, as in 1000.50",
        ),
        (r"\+[0-9.]+", "leave out the plus sign"),
        (r"-?0[0-9]+(?:\.[0-9]+)?", "leave out the zeros at the beginning"),
        (r"-?\.[0-9]+", "write a zero before the point, as in 0.50"),
        (r"-?[0-9]+\.", "write one or two decimals after the point, or leave it out"),
        (
            r"\([0-9.,]+\)|[0-9.,]+-|[\u2010-\u2015\u2212][0-9.,]+",
            "write a negative amount with a hyphen before it, as in -7.10",
        ),
    ],
    "too-many-decimals": [
        (
            r"-?[1-9][0-9]{0,2}\.[0-9]{3}",
            "an amount can have at most two decimals; if the point separates thousands, leave it out",
        ),
    ],
    "invalid-date": [
        (r"\s*", "leave out the field, or write null, if the date isn't known"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "there is no such day in the calendar: correct the date"),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*", "leave out the time: write YYYY-MM-DD"),
        (r"\s.*|.*\s", "leave out the white space before and after the date"),
        (
            r"[0-9]{1,2}[./ -][0-9]{1,2}[./ -][0-9]{2,4}",
            "write the year with four digits, then the month, then the day, with hyphens: YYYY-MM-DD",
        ),
        (
            r"[0-9]{4}[0-9]{2}[0-9]{2}|[0-9]{4}(?P<separator>[./ -])[0-9]{1,2}(?P=separator)[0-9]{1,2}",
            "write month and day with two digits, and hyphens between: YYYY-MM-DD",
        ),
    ],
    "wrong-type": [(r"-?[0-9].*", "this field must be a string: write the number in double quotes")],
}
"""For some codes, patterns of the value and what to tell; the first pattern that matches all of the value counts."""

_PATTERNS = {
    code: re.compile(
        "|".join(f"(?P<_{number}>{pattern})" for number, (pattern, _) in enumerate(advice)), re.IGNORECASE | re.DOTALL
    )
    for code, advice in _ADVICE.items()
}
"""All patterns of a code in one, which is faster; the name of the group that matches is the number of the message."""


def message_of(code: str, value: str | None) -> str:
    """Return the message for a rejected row; it never contains the value.

    Args:
        value: as in ``Rejection``.

    Raises:
        KeyError: the code isn't in MESSAGES.
    """
    if value is not None and code in _PATTERNS and (match := _PATTERNS[code].fullmatch(value)):
        return _ADVICE[code][int((match.lastgroup or "_0")[1:])][1]
    return MESSAGES[code]
