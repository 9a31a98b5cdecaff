"""Amounts: valid ones and their exact values, and the codes of invalid ones."""

import io
from decimal import Decimal

import pytest

from paymentagg.entrypoints.snapshots.byte_stream import Reading
from paymentagg.entrypoints.snapshots.reader import read_payments
from unit.entrypoints.snapshots.reading import PLENTY, payment_rejected


def amounts(literal: str) -> list[Decimal]:
    """Return the amount of a payment with this JSON literal; none if it is rejected."""
    data = f'[{{"externalId": "501", "patientId": "5", "amount": {literal}}}]'.encode()
    read = read_payments(io.BytesIO(data), Reading(PLENTY))
    return [record.amount for batch in read for record in batch.records]


def amount_codes(literal: str) -> list[str]:
    """Return the code with which the amount of a payment with this JSON literal is rejected; none if it isn't."""
    data = f'[{{"externalId": "501", "patientId": "5", "amount": {literal}}}]'.encode()
    return [code for _, external_id, field, code in payment_rejected(data) if (external_id, field) == ("501", "amount")]


@pytest.mark.parametrize(
    ("literal", "amount"),
    [
        ("4.46", "4.46"),
        ("7.10", "7.10"),
        ("7.1", "7.10"),
        ("7", "7.00"),
        ("7.100", "7.10"),
        ("1e2", "100.00"),
        ("100e-1", "10.00"),
        ("0", "0.00"),
        ("-0", "0.00"),
        ("-0.0", "0.00"),
        ("-0.00", "0.00"),
        ("-0e5", "0.00"),
        ("0e999999999", "0.00"),
        ("-5.00", "-5.00"),
        ('"4.46"', "4.46"),
        ('"-0"', "0.00"),
        ('"1E+1"', "10.00"),
        ("9999999999.99", "9999999999.99"),
        ("-9999999999.99", "-9999999999.99"),
        ("1." + "0" * 5000, "1.00"),
    ],
)
def test_an_amount_is_exact_and_has_two_decimals(literal: str, amount: str) -> None:
    assert [str(found) for found in amounts(literal)] == [amount]


@pytest.mark.parametrize(
    ("literal", "code"),
    [
        ("1.005", "too-many-decimals"),
        ("0.001", "too-many-decimals"),
        ("0.30000000000000004", "too-many-decimals"),
        ("1e-999999999", "too-many-decimals"),
        ("10000000000", "out-of-range"),
        ("-10000000000.00", "out-of-range"),
        ("1e400", "out-of-range"),
        ("1e999999999", "out-of-range"),
        ("1e9999999999999999999", "out-of-range"),
        ("9" * 5000, "out-of-range"),
        *[
            (f'"{text}"', "invalid-amount")
            for text in (
                [
                    "NaN",
                    "sNaN",
                    "Infinity",
                    "-inf",
                    "１２",
                    "1_000",
                    " 5 ",
                    "+5",
                    "5.",
                    ".5",
                    "1,000",
                    "$5",
                    "0x10",
                    "",
                    "05",
                ]
            )
        ],
        ('"5\\n"', "invalid-amount"),
        ("true", "wrong-type"),
        ("false", "wrong-type"),
        ("[]", "wrong-type"),
        ("{}", "wrong-type"),
        ("null", "missing"),
    ],
)
def test_an_amount_that_breaks_a_rule_is_rejected(literal: str, code: str) -> None:
    assert amount_codes(literal) == [code]


def test_an_amount_must_not_be_absent() -> None:
    assert payment_rejected(b'[{"externalId": "501", "patientId": "5"}]') == [(1, "501", "amount", "missing")]


@pytest.mark.parametrize("gap", ["", " ", "\n\t \r"])
def test_an_odd_amount_is_found_whatever_the_white_space(gap: str) -> None:
    data = f'[{{"externalId":"501","patientId":"5","amount"{gap}:{gap}"NaN"}}]'.encode()
    assert payment_rejected(data) == [(1, "501", "amount", "invalid-amount")]


def test_an_odd_amount_is_found_under_an_escaped_key() -> None:
    data = b'[{"externalId":"501","patientId":"5","amo\\u0075nt":"NaN"}]'
    assert payment_rejected(data) == [(1, "501", "amount", "invalid-amount")]
