"""The contract of StatisticsRepository."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from builders import patient, payment, rejection
from paymentagg.domain.access import Role
from paymentagg.domain.api_keys import issue
from paymentagg.domain.model import Patient
from paymentagg.domain.money import AmountRange
from paymentagg.domain.statistics import Bin, Counts, Figures, HistogramQuery, SyncDay, SyncFigures, TotalAfter
from practice import Practice


def figures(practice: Practice) -> Figures:
    with practice.store.reading() as reader:
        page = reader.statistics.figures()
        assert page.version == reader.statistics.version()
        (found,) = page.items
        return found


def histogram(practice: Practice, bins: int = 20, minimum: str | None = None, maximum: str | None = None) -> list[Bin]:
    lowest, highest = (None if bound is None else Decimal(bound) for bound in (minimum, maximum))
    with practice.store.reading() as reader:
        page = reader.statistics.histogram(HistogramQuery(bins, AmountRange(lowest, highest)))
        assert page.version == reader.syncs.version()
        return page.items


def days(practice: Practice, first: date = date.min) -> list[SyncDay]:
    with practice.store.reading() as reader:
        page = reader.statistics.days(first)
        assert page.version == reader.statistics.version()
        return page.items


def latest(practice: Practice, count: int, by: str | None = None) -> tuple[list[SyncFigures], bool]:
    with practice.store.reading() as reader:
        page = reader.statistics.latest(count, by=by)
        assert page.version == reader.statistics.version()
        return page.items, page.more


def people(*ids: str) -> list[Patient]:
    return [patient(each) for each in ids]


def test_an_empty_store_has_figures_without_means(practice: Practice) -> None:
    zero = Decimal("0.00")
    assert figures(practice) == Figures(0, 0, zero, None, None, None, 0, None, None, None)
    assert histogram(practice) == []
    assert days(practice) == []


def test_figures_of_patients_without_payments(practice: Practice) -> None:
    practice.sync(patients=people("5", "6"))
    zero = Decimal("0.00")
    assert figures(practice) == Figures(2, 0, zero, None, zero, zero, 2, zero, zero, practice.now)


@pytest.mark.parametrize(
    ("totals", "median"),
    [
        (["3"], "3.00"),
        (["0.01", "0.02"], "0.02"),
        (["0.02", "0.03"], "0.02"),
        (["1", "9", "-5"], "1.00"),
        (["1", "2", "9", "-5"], "1.50"),
        (["7", "7", "1", "7"], "7.00"),
    ],
)
def test_the_median_is_the_middle_total_or_the_mean_of_the_middle_two(
    practice: Practice, totals: list[str], median: str
) -> None:
    practice.sync(
        patients=[patient(f"{n}") for n in range(len(totals))],
        payments=[payment(f"{n}", f"{n}", total) for n, total in enumerate(totals)],
    )
    assert str(figures(practice).median_patient_total) == median


def test_figures_are_exact_and_means_are_rounded_half_to_even(practice: Practice) -> None:
    practice.sync(
        patients=people("5", "6", "7", "8"),
        payments=[
            payment("1", "5", "9999999999.99"),
            payment("2", "5", "9999999999.99"),
            payment("3", "6", "0.10"),
            payment("4", "6", "0.20"),
            payment("5", "7", "-5"),
            payment("6", "7", "5"),
        ],
    )
    found = figures(practice)
    assert found == Figures(
        patients=4,
        payments=6,
        sum=Decimal("20000000000.28"),
        mean_payment=Decimal("3333333333.38"),
        mean_patient_total=Decimal("5000000000.07"),
        median_patient_total=Decimal("0.15"),
        patients_without_payments=1,
        largest_patient_total=Decimal("19999999999.98"),
        smallest_patient_total=Decimal("0.00"),
        last_good_sync=practice.now,
    )
    practice.sync(patients=people("5", "6", "7", "8"), force=True)
    assert figures(practice) == msgspec.structs.replace(found, last_good_sync=practice.now)


def test_a_histogram_has_all_bins_and_the_last_one_includes_its_end(practice: Practice) -> None:
    totals = {"a": "0.00", "b": "9.99", "c": "10.00", "d": "39.99", "e": "40.00", "f": "40.00"}
    practice.sync(patients=people(*totals), payments=[payment(each, each, total) for each, total in totals.items()])
    found = [(str(each.start), str(each.end), each.count, str(each.sum)) for each in histogram(practice, 4)]
    assert found == [
        ("0.00", "10.00", 2, "9.99"),
        ("10.00", "20.00", 1, "10.00"),
        ("20.00", "30.00", 0, "0.00"),
        ("30.00", "40.00", 3, "119.99"),
    ]
    assert histogram(practice, 4, "9.99", "10.00") == [Bin(Decimal("9.99"), Decimal("10.00"), 2, Decimal("19.99"))]
    assert histogram(practice, 4, "50") == []


@pytest.mark.parametrize("bins", [1, 2, 3, 7, 20, 100])
def test_a_histogram_counts_every_patient_once_whatever_the_bins(practice: Practice, bins: int) -> None:
    totals = [-12_345, -100, -1, 0, 0, 1, 50, 99, 100, 101, 250_000, 250_001, 999_999_999_999]
    practice.sync(
        patients=[patient(f"{n}") for n in range(len(totals))],
        payments=[payment(f"{n}", f"{n}", str(Decimal(cents).scaleb(-2))) for n, cents in enumerate(totals)],
    )
    for minimum, maximum in ((None, None), ("-1.00", None), (None, "2500.00"), ("0", "1.00")):
        found = histogram(practice, bins, minimum, maximum)
        lowest = min(totals) if minimum is None else int(Decimal(minimum) * 100)
        highest = max(totals) if maximum is None else int(Decimal(maximum) * 100)
        inside = [cents for cents in totals if lowest <= cents <= highest]
        assert sum(each.count for each in found) == len(inside)
        assert sum(each.sum for each in found) == Decimal(sum(inside)).scaleb(-2)
        assert len(found) <= bins
        assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
        for place, each in enumerate(found):
            last = place == len(found) - 1
            start, end = (int(bound * 100) for bound in (each.start, each.end))
            assert each.count == sum(start <= cents < end or (last and cents == end) for cents in inside)


def test_days_add_up_their_syncs_and_show_what_was_stored_after_the_last(practice: Practice) -> None:
    practice.now = datetime(2026, 1, 30, 23, 59, 50, tzinfo=UTC)
    practice.sync(patients=[*people("5", "6"), rejection(3, "7")], payments=[payment("1", "5", "1.10")])
    practice.sync(patients=people("5"), payments=[payment("1", "5", "2.20"), payment("2", "6")])
    practice.now = datetime(2026, 2, 1, tzinfo=UTC)
    practice.sync(patients=people("5"), force=True)
    practice.now += timedelta(hours=23)
    practice.sync(patients=[], payments=None)

    first, second = days(practice)
    assert first == SyncDay(
        date(2026, 1, 30), 2, Counts(2, 0, 1, 1), Counts(1, 1, 0, 1), TotalAfter(1, 1, Decimal("2.20"))
    )
    assert second == SyncDay(
        date(2026, 2, 1), 2, Counts(0, 0, 1, 0), Counts(0, 0, 1, 0), TotalAfter(0, 0, Decimal("0.00"))
    )
    assert days(practice, date(2026, 1, 31)) == [second]
    assert days(practice, date(2026, 2, 2)) == []
    practice.sync(patients=[], force=True)
    assert days(practice, date(2026, 2, 1)) == [msgspec.structs.replace(second, syncs=3)]


def test_an_undo_is_a_sync_of_its_day_and_brings_the_former_totals_back(practice: Practice) -> None:
    practice.sync(patients=people("5", "6"), payments=[payment("1", "5", "1.10")])
    changed = practice.sync(patients=people("5"), payments=[payment("2", "5", "2.20")])
    practice.undo(changed.id)
    (day,) = days(practice)
    assert (day.syncs, day.total_after) == (3, TotalAfter(2, 1, Decimal("1.10")))
    assert (figures(practice).patients, figures(practice).sum) == (2, Decimal("1.10"))


def test_the_latest_syncs_come_newest_first_with_what_each_has_done(practice: Practice) -> None:
    assert latest(practice, 3) == ([], False)
    practice.sync(patients=[*people("5", "6"), rejection(3, "7")], payments=[payment("1", "5", "1.10")])
    changed = practice.sync(patients=people("5"), payments=[payment("1", "5", "2.20"), payment("2", "6")])
    unchanged = practice.sync(patients=people("5"), force=True)
    undo = practice.undo(changed.id)
    practice.sync(patients=[], dry_run=True)

    found, more = latest(practice, 3)
    assert more
    assert [each.id for each in found] == [undo.id, unchanged.id, changed.id]
    assert [each.finished_at for each in found] == [undo.finished_at, unchanged.finished_at, changed.finished_at]
    assert [each.undoes for each in found] == [changed.id, None, None]
    nothing = Counts(0, 0, 0, 0)
    assert [each.patients for each in found] == [Counts(1, 0, 0, 0), nothing, Counts(0, 0, 1, 0)]
    assert [each.payments for each in found] == [Counts(0, 1, 0, 0), nothing, Counts(0, 1, 0, 1)]
    after = TotalAfter(1, 1, Decimal("2.20"))
    assert [each.total_after for each in found] == [TotalAfter(2, 1, Decimal("1.10")), after, after]
    assert latest(practice, 1) == (found[:1], True)
    everything, more = latest(practice, 4)
    assert (everything[:3], everything[3].patients, more) == (found, Counts(2, 0, 0, 1), False)


def test_the_latest_syncs_of_one_api_key_are_told_from_all_others(practice: Practice) -> None:
    first, second = (issue(name, Role.SYNCER, days=90, at=practice.now, others=())[0] for name in "ab")
    with practice.store.keys() as keys:
        keys.add(first)
        keys.add(second)
    ids = [practice.sync(patients=people("5"), by=by).id for by in (first.id, second.id, None, first.id)]
    assert [each.id for each in latest(practice, 9)[0]] == ids[::-1]
    found, more = latest(practice, 1, by=first.id)
    assert ([each.id for each in found], more) == ([ids[3]], True)
    assert [each.id for each in latest(practice, 9, by=first.id)[0]] == [ids[3], ids[0]]
    assert latest(practice, 9, by="unknown1") == ([], False)


def test_a_dry_run_is_not_counted(practice: Practice) -> None:
    practice.sync(patients=people("5"))
    before = figures(practice), days(practice)
    practice.sync(patients=people("6"), dry_run=True)
    assert (figures(practice), days(practice)) == before
