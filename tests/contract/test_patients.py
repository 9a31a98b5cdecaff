"""The contract of PatientRepository."""

from decimal import Decimal

import msgspec
import pytest

from builders import patient, payment
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import MAX_NAMES, PatientQuery, PatientView, SortKey
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


def test_the_names_of_those_patients_that_are_stored_are_read_at_once(practice: Practice) -> None:
    practice.sync(
        patients=[
            patient("5"),
            patient("05", middle_name="A."),
            patient("%'\\", first_name="Zoë", last_name="O'Brien"),
            patient("6"),
            *(patient(f"p{number}", last_name=f"L{number}") for number in range(MAX_NAMES)),
        ]
    )
    many = [f"p{number}" for number in range(MAX_NAMES)]
    with practice.store.reading() as reader:
        names = reader.patients.names
        assert names(["5", "%'\\", "none", "05", "5"]) == {
            "5": "Deckard, Rick",
            "05": "Deckard, Rick A.",
            "%'\\": "O'Brien, Zoë",
        }
        assert names([]) == names(["none"]) == {}
        assert names(many) == {each: f"L{number}, Rick" for number, each in enumerate(many)}
        with pytest.raises(ValueError, match="at most 100 names"):
            names([*many, "5"])


@pytest.mark.parametrize("query", [PatientQuery(), PatientQuery(AmountRange(Decimal(1))), PatientQuery(words=("zoe",))])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SortKey)
def test_the_page_before_is_the_first_of_the_opposite_order_from_the_first_row_on_reversed(
    practice: Practice, sort: SortKey, descending: bool, query: PatientQuery
) -> None:
    # Three patients of each name and four of each total, whose ids aren't in the order of either.
    practice.sync(
        patients=[patient(f"{n * 5 % 12}", first_name="Zoë", last_name=f"L{n % 4}") for n in range(12)],
        payments=[payment(f"{n}", f"{n}", f"{n % 3 + 1}") for n in range(12)],
    )
    query = msgspec.structs.replace(query, sort=sort, descending=descending, limit=5)
    with practice.store.reading() as reader:
        pages: list[list[PatientView]] = []
        position = None
        more = True
        while more:
            page = reader.patients.page(msgspec.structs.replace(query, after=position))
            pages.append(page.items)
            position, more = sort.of(page.items[-1]), page.more
        assert [len(items) for items in pages] == [5, 5, 2]
        for number, items in enumerate(pages):
            backwards = msgspec.structs.replace(query, descending=not descending, after=sort.of(items[0]))
            page = reader.patients.page(backwards)
            assert page.items[::-1] == (pages[number - 1] if number else [])
            assert page.more == (number > 1)


@pytest.mark.parametrize("total", [AmountRange(Decimal(10), Decimal(12)), AmountRange(Decimal(10), Decimal(13))])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SortKey)
def test_the_pages_of_a_range_are_in_order_whether_or_not_so_few_match_that_they_are_sorted(
    practice: Practice, sort: SortKey, descending: bool, total: AmountRange
) -> None:
    # SQLite sorts up to one patient in a hundred, so it sorts three of 300, and walks the index for four.
    practice.sync(
        patients=[patient(f"{n}", last_name=f"L{n * 5 % 3}") for n in range(300)],
        payments=[payment(f"{n}", f"{n}", f"{n}") for n in range(300)],
    )
    query = PatientQuery(total, sort, descending, limit=2, count=True)
    with practice.store.reading() as reader:
        every = reader.patients.page(PatientQuery(limit=300)).items
        matching = (view for view in every if view.payment_total in total)
        expected = sorted(matching, key=sort.of, reverse=descending)
        first = reader.patients.page(query)
        second = reader.patients.page(msgspec.structs.replace(query, after=sort.of(first.items[-1])))
    assert [*first.items, *second.items] == expected
    assert (first.more, second.more) == (True, False)
    assert first.total == second.total == len(expected)
