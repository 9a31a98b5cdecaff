from decimal import Decimal

import pytest

from paymentagg.domain.money import AmountError, AmountRange, parse_amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4.46", "4.46"),
        ("7.1", "7.10"),
        ("7.100", "7.10"),
        ("1e2", "100.00"),
        ("1E+2", "100.00"),
        ("100e-4", "0.01"),
        ("11111111111e-1", "1111111111.10"),
        ("-5.00", "-5.00"),
        ("9999999999.99", "9999999999.99"),
        ("-9999999999.99", "-9999999999.99"),
    ],
)
def test_an_amount_is_read_exactly_and_has_two_decimals(text: str, amount: str) -> None:
    assert str(parse_amount(text)) == amount


@pytest.mark.parametrize("text", ["0", "-0", "-0.0", "0e9", "0e9999999999999999999", "-0.000e-9999999999999999999"])
def test_zero_has_no_sign_and_no_exponent(text: str) -> None:
    assert str(parse_amount(text)) == "0.00"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "NaN", "Infinity", "-Infinity", "sNaN", "abc"),
        *("+5", "5.", ".5", "05", "--5", "1.e2", "1e", "0x10", "1_000", "1,000", "4,46", "$5"),
        *(" 5 ", "5\n", "\n5", "１２", "٣"),
    ],
)
def test_a_text_that_is_no_json_number_is_no_amount(text: str) -> None:
    assert why_not(text) == "invalid-amount"


@pytest.mark.parametrize(
    "text",
    [
        *("1.005", "0.001", "-0.001", "0.30000000000000004", "1e-3", "1e-400", "1e-9999999999999999999"),
        "0." + "1" * 5000,
    ],
)
def test_a_third_decimal_is_refused_and_never_rounded(text: str) -> None:
    assert why_not(text) == "too-many-decimals"


@pytest.mark.parametrize("text", ["9999999999.995", "9999999999.999", "-9999999999.999"])
def test_a_third_decimal_is_refused_where_rounding_would_need_an_eleventh_digit(text: str) -> None:
    assert why_not(text) == "too-many-decimals"


@pytest.mark.parametrize(
    "text",
    [
        *("10000000000", "-10000000000", "10000000000.001", "1e10", "1e400", "1e999999999"),
        *("1e9999999999999999999", "-1e9999999999999999999", "9" * 5000),
    ],
)
def test_an_eleventh_digit_before_the_point_is_refused(text: str) -> None:
    assert why_not(text) == "out-of-range"


@pytest.mark.parametrize("amount", ["10.00", "15.00", "20.00"])
def test_a_range_includes_both_its_ends(amount: str) -> None:
    assert Decimal(amount) in AmountRange(Decimal("10"), Decimal("20"))


@pytest.mark.parametrize("amount", ["9.99", "20.01", "-15.00"])
def test_a_range_excludes_what_lies_outside(amount: str) -> None:
    assert Decimal(amount) not in AmountRange(Decimal("10"), Decimal("20"))


def test_a_range_may_leave_its_minimum_open() -> None:
    assert Decimal("-9999999999.99") in AmountRange(maximum=Decimal("20"))
    assert Decimal("20.01") not in AmountRange(maximum=Decimal("20"))


def test_a_range_may_leave_its_maximum_open() -> None:
    assert Decimal("9999999999.99") in AmountRange(minimum=Decimal("20"))
    assert Decimal("19.99") not in AmountRange(minimum=Decimal("20"))


def test_three_tenths_are_exactly_the_sum_of_one_and_two() -> None:
    assert parse_amount("0.10") + parse_amount("0.20") in AmountRange(maximum=parse_amount("0.30"))


def why_not(text: str) -> str:
    with pytest.raises(AmountError) as caught:
        parse_amount(text)
    return caught.value.code
