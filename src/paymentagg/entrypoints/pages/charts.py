"""Charts as bars with their places, which a template draws as SVG; every bar has a label, and may be a link."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from paymentagg.domain.money import CENT, AmountRange
from paymentagg.domain.statistics import Bin, SyncFigures
from paymentagg.entrypoints.pages.wording import amount, count, counted

WIDTH = 10
"""The width of a bar with the gap beside it. A chart is stretched to the width of its place."""
HEIGHT = 100
_GAP = 1.5
SYNCS = 30
"""How many syncs a chart shows: a month of nights."""
_SMALLEST = 1.5
"""The least height of a bar that stands for anything at all, so that it is seen and can be clicked."""


class Bar(msgspec.Struct, frozen=True):
    """A bar; ``y`` and ``height`` are in units of which a chart has HEIGHT."""

    x: float
    y: float
    height: float
    label: str
    link: str | None
    is_marked: bool


class Chart(msgspec.Struct, frozen=True):
    """Bars that stand on, or hang from, the line at ``zero``."""

    bars: list[Bar]
    zero: float
    width: int


class Sample(msgspec.Struct, frozen=True):
    """What a bar stands for: a number in any unit, its label, where it leads, and whether it is marked."""

    number: Decimal | int
    label: str
    link: str | None = None
    is_marked: bool = False


def chart(samples: Sequence[Sample], places: int = 1) -> Chart:
    """Return the bars of the samples, in their order, on one scale that begins at zero.

    Args:
        places: the least number of bars that the chart has room for; few bars would be wide otherwise.
    """
    numbers = [float(sample.number) for sample in samples]  # for places on a screen only
    top, bottom = max([0.0, *numbers]), min([0.0, *numbers])
    scale = HEIGHT / ((top - bottom) or 1)
    zero = top * scale
    bars = []
    for position, (sample, number) in enumerate(zip(samples, numbers, strict=True)):
        height = max(abs(number) * scale, _SMALLEST) if number else 0.0
        y = zero - height if number >= 0 else zero
        y = min(max(y, 0.0), HEIGHT - height)
        x = WIDTH * position + _GAP / 2
        bars.append(Bar(round(x, 2), round(y, 2), round(height, 2), sample.label, sample.link, sample.is_marked))
    return Chart(bars, round(zero, 2), WIDTH * max(places, len(bars)))


def bins_chart(bins: Sequence[Bin], chosen: AmountRange) -> Chart:
    """Return the chart of patients by total; each bar leads to its patients, and those in the range are marked."""
    return chart(
        [
            Sample(
                each.count,
                f"{amount(each.start)} to {amount(each.end)}: {counted(each.count, 'patient')}",
                f"/ui/patients?payment_min={each.start}&payment_max={last_total(bins, each)}",
                (chosen.minimum is None or each.end > chosen.minimum)
                and (chosen.maximum is None or each.start <= chosen.maximum),
            )
            for each in bins
        ]
    )


def last_total(bins: Sequence[Bin], each: Bin) -> Decimal:
    """Return the greatest total in a bin: its end belongs to the next one, but for that of the last."""
    return each.end if each is bins[-1] else each.end - CENT


def sums_chart(syncs: Sequence[SyncFigures]) -> Chart:
    """Return the chart of the sum of all payments after each sync."""
    return chart(
        [
            Sample(
                each.total_after.sum if each.total_after else 0,
                f"sync {each.id}: {amount(each.total_after.sum) if each.total_after else 'not known'}",
                f"/ui/syncs/{each.id}",
            )
            for each in syncs
        ],
        SYNCS,
    )


def rejected_chart(syncs: Sequence[SyncFigures]) -> Chart:
    """Return the chart of the rows that each sync has rejected."""
    return chart(
        [
            Sample(
                rejected(each),
                f"sync {each.id}: {count(rejected(each))} rejected",
                f"/ui/syncs/{each.id}?show=rejected",
            )
            for each in syncs
        ],
        SYNCS,
    )


def rejected(sync: SyncFigures) -> int:
    """Return how many rows a sync has rejected, of both models."""
    return sync.patients.rejected + sync.payments.rejected
