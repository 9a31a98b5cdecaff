"""Amounts of money: exact decimals of bounded size, never floats."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation

import msgspec

MAX_INTEGER_DIGITS = 10
"""How many digits an amount can have before the decimal point."""
MAX_TOTAL_DIGITS = 16
"""How many digits a bound of payment totals can have before the decimal point: totals are larger than amounts."""
DECIMALS = 2

CENT = Decimal("0.01")
_AMOUNT_CONTEXT = Context(prec=MAX_INTEGER_DIGITS + DECIMALS, traps=[Inexact, InvalidOperation])
_TOTAL_CONTEXT = Context(prec=MAX_TOTAL_DIGITS + DECIMALS, traps=[Inexact, InvalidOperation])

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A JSON number: the grammar of RFC 8259, section 6."""

quantized = _AMOUNT_CONTEXT.quantize
"""Call as ``quantized(value, CENT)``: return the value with two decimals.

Raises:
    Inexact: a third decimal would be lost.
    InvalidOperation: there are more than ten digits before the decimal point.
"""


def to_cents(amount: Decimal) -> int:
    """Return an amount with at most two decimals in cents."""
    return int(amount * 100)


def from_cents(cents: int) -> Decimal:
    """Return cents as an amount with exactly two decimals."""
    return Decimal(cents).scaleb(-DECIMALS)


class AmountError(ValueError):
    """A text isn't an amount; ``code`` is that of the rejected row."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_amount(text: str) -> Decimal:
    """Return the amount written as a JSON number, with two decimals. Zero has no sign.

    Raises:
        AmountError: ``invalid-amount``, ``too-many-decimals`` or ``out-of-range``.
    """
    return _parsed(text, MAX_INTEGER_DIGITS, _AMOUNT_CONTEXT)


def parse_total(text: str) -> Decimal:
    """Return a bound of payment totals, written as amounts are; errors are those of ``parse_amount``."""
    return _parsed(text, MAX_TOTAL_DIGITS, _TOTAL_CONTEXT)


def _parsed(text: str, max_digits: int, context: Context) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise AmountError("invalid-amount")
    try:
        value = Decimal(text)
    except InvalidOperation:  # the exponent is out of Decimal's range
        mantissa, _, exponent = text.lower().partition("e")
        if not Decimal(mantissa):
            return Decimal("0.00")
        raise AmountError("too-many-decimals" if exponent.startswith("-") else "out-of-range") from None
    if not value:
        return Decimal("0.00")
    if value.adjusted() >= max_digits:
        raise AmountError("out-of-range")
    try:
        return context.quantize(value, CENT)
    except (Inexact, InvalidOperation):  # InvalidOperation: rounding would give one digit too many
        raise AmountError("too-many-decimals") from None


class AmountRange(msgspec.Struct, frozen=True):
    """The amounts from ``minimum`` to ``maximum``, both included; None means no limit."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __contains__(self, amount: Decimal) -> bool:
        """Return whether the amount is in the range."""
        return (self.minimum is None or self.minimum <= amount) and (self.maximum is None or amount <= self.maximum)
