"""Exact means, and the bounds of a histogram."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paymentagg.domain.statistics import MAX_BINS, Bounds, mean

cents = st.integers(-(10**18), 10**18)


@pytest.mark.parametrize(
    ("sum_in_cents", "count", "result"),
    [
        (0, 0, None),
        (0, 3, "0.00"),
        (1, 2, "0.00"),
        (3, 2, "0.02"),
        (5, 2, "0.02"),
        (-1, 2, "0.00"),
        (-3, 2, "-0.02"),
        (10, 3, "0.03"),
        (20, 3, "0.07"),
        (-20, 3, "-0.07"),
    ],
)
def test_a_mean_is_rounded_to_cents_half_to_even(sum_in_cents: int, count: int, result: str | None) -> None:
    found = mean(sum_in_cents, count)
    assert (None if found is None else str(found)) == result


@given(sum_in_cents=cents, count=st.integers(1, 10**7))
def test_a_mean_is_the_exact_quotient_rounded_once(sum_in_cents: int, count: int) -> None:
    assert mean(sum_in_cents, count) == Decimal(round(Fraction(sum_in_cents, count))).scaleb(-2)


@pytest.mark.parametrize(
    ("smallest", "largest", "bins", "start", "end", "step"),
    [
        (0, 0, 20, 0, 1, 1),
        (7, 7, 20, 7, 8, 1),
        (0, 20, 20, 0, 20, 1),
        (0, 21, 20, 0, 22, 2),
        (-1442, 733220, 20, -50_000, 750_000, 50_000),
        (0, 50_000, 20, 0, 50_000, 2_500),
        (0, 50_001, 20, 0, 55_000, 5_000),
        (1, 99, 1, 0, 100, 100),
        (-3, 99, 1, -100, 100, 200),
        (-3, 99, 2, -100, 100, 100),
    ],
)
def test_bounds_are_the_narrowest_nice_ones(
    smallest: int, largest: int, bins: int, start: int, end: int, step: int
) -> None:
    assert Bounds.around(smallest, largest, bins) == Bounds(start, end, step)


@given(ends=st.tuples(cents, cents), bins=st.integers(1, MAX_BINS))
def test_bounds_hold_all_totals_in_at_most_so_many_nice_bins(ends: tuple[int, int], bins: int) -> None:
    smallest, largest = sorted(ends)
    bounds = Bounds.around(smallest, largest, bins)
    assert bounds.start <= smallest < bounds.start + bounds.step
    assert bounds.start < bounds.end
    assert bounds.end - bounds.step <= largest <= bounds.end
    count, rest = divmod(bounds.end - bounds.start, bounds.step)
    assert count <= bins
    assert rest == 0
    step = bounds.step // 2 if bounds.start == -bounds.end and bins == 1 else bounds.step
    assert str(step).rstrip("0") in ("1", "2", "25", "5")
    assert bounds.start % step == 0
