from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from paymentagg.domain.money import AmountRange
from paymentagg.domain.statistics import Bin
from paymentagg.entrypoints.pages.charts import HEIGHT, Sample, bins_chart, chart


def _bin(start: int, end: int, count: int) -> Bin:
    return Bin(Decimal(start).quantize(Decimal("0.01")), Decimal(end).quantize(Decimal("0.01")), count, Decimal(0))


@given(st.lists(st.integers(-(10**18), 10**18), max_size=40))
def test_bars_stay_inside_and_whatever_is_not_zero_is_seen(numbers: list[int]) -> None:
    drawn = chart([Sample(number, str(number)) for number in numbers])
    assert len(drawn.bars) == len(numbers)
    assert 0 <= drawn.zero <= HEIGHT
    for bar, number in zip(drawn.bars, numbers, strict=True):
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.02
        assert (bar.height > 0) is (number != 0)


def test_a_bar_is_as_high_as_its_number_says() -> None:
    full, half, none = chart([Sample(200, "a"), Sample(100, "b"), Sample(0, "c")]).bars
    assert (full.y, full.height) == (0, HEIGHT)
    assert (half.y, half.height) == (HEIGHT / 2, HEIGHT / 2)
    assert none.height == 0


def test_negative_numbers_hang_from_the_line() -> None:
    drawn = chart([Sample(300, "a"), Sample(-100, "b")])
    assert drawn.zero == 75
    assert [(bar.y, bar.height) for bar in drawn.bars] == [(0, 75), (75, 25)]


def test_a_bar_leads_to_its_patients_and_to_nobody_elses() -> None:
    drawn = bins_chart([_bin(-10, 0, 1), _bin(0, 10, 2)], AmountRange())
    assert [bar.link for bar in drawn.bars] == [
        "/ui/patients?payment_min=-10.00&payment_max=-0.01",
        "/ui/patients?payment_min=0.00&payment_max=10.00",
    ]
    assert [bar.label for bar in drawn.bars] == ["−10.00 to 0.00: 1 patient", "0.00 to 10.00: 2 patients"]


def test_the_bars_of_the_chosen_range_are_marked() -> None:
    bins = [_bin(0, 10, 1), _bin(10, 20, 1), _bin(20, 30, 1)]

    def marked(minimum: str | None, maximum: str | None) -> list[bool]:
        chosen = AmountRange(minimum and Decimal(minimum), maximum and Decimal(maximum))  # type: ignore[arg-type]
        return [bar.is_marked for bar in bins_chart(bins, chosen).bars]

    assert marked(None, None) == [True, True, True]
    assert marked("10.00", "19.99") == [False, True, False]
    assert marked("9.99", None) == [True, True, True]
    assert marked(None, "10.00") == [True, True, False]
