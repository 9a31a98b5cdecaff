"""What a rejected row's message tells whoever has to mend it."""

import pytest

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model
from paymentagg.domain.rejection_messages import MESSAGES, message_of

POINT = "write a point before the decimals, not a comma, as in 7.10"
THOUSANDS = "leave out what separates the thousands, and write a point before the decimals, as in 1000.50"
CURRENCY = "write the number alone, without a currency"
SPACE = "leave out the white space before and after the number"
MINUS = "write a negative amount with a hyphen before it, as in -7.10"
ORDER = "write the year with four digits, then the month, then the day, with hyphens: YYYY-MM-DD"
HYPHENS = "write month and day with two digits, and hyphens between: YYYY-MM-DD"

MISTAKES = [
    *(("invalid-amount", value, POINT) for value in ("12,50", "-12,5", "0,50")),
    *(("invalid-amount", value, THOUSANDS) for value in ("1,234", "1.234,50", "1,234.50", "-1 234 567", "1'234.50")),
    *(("invalid-amount", value, THOUSANDS) for value in ("1\u00a0234,50", "1\u202f234")),
    *(
        ("invalid-amount", value, CURRENCY)
        for value in ("12.50 EUR", "€12.50", "$ 5", "CHF5", "Fr. 7,10", "7 euro", "£1")
    ),
    *(("invalid-amount", value, SPACE) for value in (" 12.50", "12.50\u00a0", "7\\u000a\n")),
    *(("invalid-amount", value, MINUS) for value in ("(12.50)", "12.50-", "\u221212.50", "\u20135")),
    *(
        ("invalid-amount", value, "an amount must not be empty: write a number, as in 7.10")
        for value in ("", " ", "\u00a0")
    ),
    ("invalid-amount", "+12.50", "leave out the plus sign"),
    ("invalid-amount", "007.50", "leave out the zeros at the beginning"),
    ("invalid-amount", ".50", "write a zero before the point, as in 0.50"),
    ("invalid-amount", "12.", "write one or two decimals after the point, or leave it out"),
    *(
        (
            "too-many-decimals",
            value,
            "an amount can have at most two decimals; if the point separates thousands, leave it out",
        )
        for value in ("1.234", "-12.500")
    ),
    *(("invalid-date", value, ORDER) for value in ("31.12.1990", "12/31/90", "1-2-1990", "31 12 1990")),
    *(("invalid-date", value, HYPHENS) for value in ("19901231", "1990/12/31", "1990-1-2", "1990.12.31")),
    *(
        ("invalid-date", value, "there is no such day in the calendar: correct the date")
        for value in ("1990-02-30", "0000-01-01")
    ),
    *(
        ("invalid-date", value, "leave out the time: write YYYY-MM-DD")
        for value in ("1990-12-31T00:00:00Z", "1990-12-31 12:00")
    ),
    ("invalid-date", "", "leave out the field, or write null, if the date isn't known"),
    ("invalid-date", " 1990-12-31", "leave out the white space before and after the date"),
    ("wrong-type", "5", "this field must be a string: write the number in double quotes"),
    ("wrong-type", "-0.5e9", "this field must be a string: write the number in double quotes"),
]


@pytest.mark.parametrize(("code", "value", "message"), MISTAKES)
def test_a_common_mistake_has_a_message_that_says_what_to_do(code: str, value: str, message: str) -> None:
    assert message_of(code, value) == message


@pytest.mark.parametrize("code", MESSAGES)
@pytest.mark.parametrize("value", [None, "abc", "[1,2]", "true", "x" * 99 + "…", "x.5", "\u0663"])
def test_any_other_value_has_the_message_of_its_code(code: str, value: str | None) -> None:
    assert Rejection.of(Model.PATIENT, 1, "5", None, code, value).message == MESSAGES[code]


@pytest.mark.parametrize("value", [value for _, value, _ in MISTAKES if len(value.strip()) > 3])
def test_no_message_has_a_value_in_it(value: str) -> None:
    assert [code for code in MESSAGES if value in message_of(code, value)] == []
