"""The contract of PatientRepository."""

from decimal import Decimal

import pytest

from builders import patient, payment
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import PatientQuery, SortKey
from practice import Practice


def ids(practice: Practice, query: PatientQuery) -> list[str]:
    with practice.store.reading() as reader:
        return [view.external_id for view in reader.patients.page(query).items]


def between(minimum: str | None, maximum: str | None) -> PatientQuery:
    lowest, highest = (None if bound is None else Decimal(bound) for bound in (minimum, maximum))
    return PatientQuery(total=AmountRange(lowest, highest))


@pytest.mark.parametrize(
    ("minimum", "maximum", "found"),
    [
        (None, None, ["none", "refunded", "tenths", "rich"]),
        ("0.30", None, ["tenths", "rich"]),
        (None, "0.30", ["none", "refunded", "tenths"]),
        ("0.30", "0.30", ["tenths"]),
        ("0.31", "99999999999.97", []),
        ("0", "0", ["none"]),
        (None, "-0.01", ["refunded"]),
        ("99999999999.98", None, ["rich"]),
    ],
)
def test_totals_are_compared_exactly_and_both_ends_belong_to_the_range(
    practice: Practice, minimum: str | None, maximum: str | None, found: list[str]
) -> None:
    practice.sync(
        patients=[patient("none"), patient("refunded"), patient("tenths"), patient("rich")],
        payments=[
            payment("1", "tenths", "0.10"),
            payment("2", "tenths", "0.20"),
            payment("3", "refunded", "1.00"),
            payment("4", "refunded", "-5.00"),
            *(payment(f"r{n}", "rich", "9999999999.99") for n in range(10)),
            payment("r", "rich", "0.08"),
        ],
    )
    assert ids(practice, between(minimum, maximum)) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (SortKey.ID, ["b", "A", "a", "é"]),
        (SortKey.EXTERNAL_ID, ["A", "a", "b", "é"]),
        (SortKey.LAST_NAME, ["a", "é", "b", "A"]),
        (SortKey.PAYMENT_TOTAL, ["é", "b", "A", "a"]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_of_any_size_hold_all_patients_in_order_forwards_and_backwards(
    practice: Practice, sort: SortKey, order: list[str], limit: int
) -> None:
    practice.sync(
        patients=[
            patient("b", last_name="Émile"),
            patient("A", last_name="Émile"),
            patient("a", last_name="Batty"),
            patient("é", last_name="batty"),
        ],
        payments=[payment("1", "a", "3"), payment("2", "é", "-3")],
    )
    assert walk(practice, PatientQuery(sort=sort, limit=limit)) == order
    assert walk(practice, PatientQuery(sort=sort, limit=limit, descending=True)) == order[::-1]


def walk(practice: Practice, query: PatientQuery) -> list[str]:
    """Return the external ids of all pages, from the first to the last."""
    found = []
    after = None
    while True:
        with practice.store.reading() as reader:
            page = reader.patients.page(
                PatientQuery(sort=query.sort, descending=query.descending, limit=query.limit, after=after)
            )
        found += [view.external_id for view in page.items]
        assert len(page.items) == query.limit or not page.more
        if not page.more:
            return found
        after = query.sort.of(page.items[-1])


def test_one_patient_is_found_by_the_exact_external_id(practice: Practice) -> None:
    practice.sync(patients=[patient("05"), patient("5")], payments=[payment("1", "5", "4.4")])
    with practice.store.reading() as reader:
        (found,) = reader.patients.get("5").items
        assert (found.external_id, found.payment_total, found.payment_count) == ("5", Decimal("4.40"), 1)
        assert reader.patients.get("005").items == []


def test_a_page_without_rows_has_the_version_of_its_state_too(practice: Practice) -> None:
    practice.sync(patients=[patient()])
    with practice.store.reading() as reader:
        assert reader.patients.page(between("1", None)).version == reader.syncs.version()
