"""Amounts of money: exact, bounded, never a float."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation

import msgspec

MAX_INTEGER_DIGITS = 10
DECIMALS = 2

CENT = Decimal("0.01")
_BOUNDED = Context(prec=MAX_INTEGER_DIGITS + DECIMALS, traps=[Inexact, InvalidOperation])

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""The grammar of numbers of RFC 8259, section 6."""

quantized = _BOUNDED.quantize
"""``quantized(value, CENT)``: the value with two decimals. Raises Inexact where a third one would be lost, and
InvalidOperation where there are more than ten digits before the point."""


class AmountError(ValueError):
    """A text is no amount; ``code`` says why, in the words of a rejected row."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def parse_amount(text: str) -> Decimal:
    """Return the amount that a JSON number, or a string in the same notation, stands for.

    Raises:
        AmountError: ``invalid-amount``, ``too-many-decimals`` or ``out-of-range``.
    """
    if not NUMBER.fullmatch(text):
        raise AmountError("invalid-amount")
    try:
        value = Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        mantissa, _, exponent = text.lower().partition("e")
        if not Decimal(mantissa):
            return Decimal("0.00")
        raise AmountError("too-many-decimals" if exponent.startswith("-") else "out-of-range") from None
    if not value:
        return Decimal("0.00")
    if value.adjusted() >= MAX_INTEGER_DIGITS:
        raise AmountError("out-of-range")
    try:
        return quantized(value, CENT)
    except (Inexact, InvalidOperation):  # the latter where rounding would bring an eleventh digit
        raise AmountError("too-many-decimals") from None


class AmountRange(msgspec.Struct, frozen=True):
    """The amounts from ``minimum`` to ``maximum``, both included; None leaves that end open."""

    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __contains__(self, amount: Decimal) -> bool:
        return (self.minimum is None or self.minimum <= amount) and (self.maximum is None or amount <= self.maximum)
