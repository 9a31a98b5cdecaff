"""The contract of the searches: patients by parts of their names and ids, rows by the time of their last change."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec
import pytest

from builders import patient, payment
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import Page, PatientQuery, PaymentQuery, SortKey
from paymentagg.domain.search import search_words
from practice import Practice

PEOPLE = [
    patient("5", first_name="Rick", last_name="Müller"),
    patient("A-6", first_name="Søren", last_name="Straße", middle_name="O'Brien"),
    patient("100%", first_name="Łukasz", last_name="Ångström"),
    patient("b_7", first_name="\u5f20", last_name="\u4f1f"),
    patient("c\\8", first_name="Rick", last_name="Deckard", middle_name="N6"),
]


def found(practice: Practice, text: str, query: PatientQuery = PatientQuery()) -> list[str]:  # noqa: B008  it is frozen
    return practice.found(msgspec.structs.replace(query, words=search_words(text)))[0]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("rick", ["5", "c\\8"]),
        ("MULLER", ["5"]),
        ("müller rick", ["5"]),
        ("ck mu", ["5"]),
        ("Mu\u0308ller", ["5"]),
        ("soren", ["A-6"]),
        ("STRASSE o'b", ["A-6"]),
        ("lukasz angstr", ["100%"]),
        ("\u4f1f", ["b_7"]),
        ("a-6", ["A-6"]),
        ("%", ["100%"]),
        ("_", ["b_7"]),
        ("\\", ["c\\8"]),
        ("rick n6 8 deck", ["c\\8"]),
        ("rick nobody", []),
        ("k d", ["c\\8"]),
        ("'", ["A-6"]),
    ],
)
def test_patients_are_found_by_parts_of_names_and_ids_in_any_order(
    practice: Practice, text: str, ids: list[str]
) -> None:
    practice.sync(patients=PEOPLE)
    assert found(practice, text) == ids


def test_a_search_sees_what_each_sync_has_changed(practice: Practice) -> None:
    practice.sync(patients=[patient("5", first_name="Rick"), patient("6", first_name="Zoë")])
    practice.sync(patients=[patient("5", first_name="José"), patient("7", first_name="Zoe")])
    assert found(practice, "rick") == []
    assert found(practice, "jose") == ["5"]
    assert found(practice, "zoe") == ["7"]


def test_a_search_finds_updated_and_deleted_patients_again_after_an_undo(practice: Practice) -> None:
    practice.sync(patients=[patient("5", first_name="José"), patient("6", first_name="Zoë"), patient("7")])
    changed = practice.sync(patients=[patient("5", first_name="Jane"), patient("7"), patient("8", first_name="Åsa")])
    practice.undo(changed.id)
    assert [found(practice, name) for name in ("jose", "zoe", "jane", "asa")] == [["5"], ["6"], [], []]


def test_the_same_patients_again_are_unchanged_whatever_their_search_names_need(practice: Practice) -> None:
    practice.sync(patients=PEOPLE)
    before = practice.patients
    assert not practice.sync(patients=PEOPLE, force=True).changed
    assert practice.patients == before


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SortKey)
def test_a_search_combines_with_totals_order_and_pages(
    practice: Practice, sort: SortKey, descending: bool, limit: int
) -> None:
    practice.sync(
        patients=[patient(f"{n}", first_name="Zoë" if n % 2 else "Roy", last_name=f"L{n % 3}") for n in range(12)],
        payments=[payment(f"{n}", f"{n}", f"{n % 4}") for n in range(12)],
    )
    query = PatientQuery(
        AmountRange(Decimal("1.00"), Decimal("3.00")), sort, descending, limit=limit, words=("zoe",), count=True
    )
    everybody = practice.patients.values()
    expected = [view for view in everybody if view.first_name == "Zoë" and view.payment_total in query.total]
    assert len(expected) == 6
    expected.sort(key=sort.of, reverse=descending)

    walked = []
    while True:
        with practice.store.reading() as reader:
            page = reader.patients.page(query)
        walked += page.items
        assert page.total == 6
        if not page.more:
            break
        query = msgspec.structs.replace(query, after=sort.of(page.items[-1]))
    assert walked == expected
    export = practice.store.export()
    assert list(chain(*export.patients(query))) == expected
    export.close()


def test_rows_are_found_by_the_time_of_their_last_change(practice: Practice) -> None:
    practice.sync(
        patients=[patient("5"), patient("6"), patient("7")],
        payments=[payment("1", "5"), payment("2", "5"), payment("3", "6")],
    )
    practice.sync(
        patients=[patient("5", first_name="Zoë"), patient("6"), patient("7"), patient("8")],
        payments=[payment("1", "5", "9.99"), payment("2", "5"), payment("3", "6"), payment("4", "6")],
    )
    changed = practice.patients["5"].updated
    assert changed > practice.patients["6"].updated
    for at in (changed, changed.astimezone(timezone(timedelta(hours=-7)))):
        assert practice.found(PatientQuery(updated_since=at))[0] == ["5", "8"]
        assert practice.found(PatientQuery(updated_since=at, sort=SortKey.PAYMENT_TOTAL))[0] == ["8", "5"]
        assert paid(practice, PaymentQuery(updated_since=at)) == ["1", "4"]
        assert paid(practice, PaymentQuery("5", updated_since=at)) == ["1"]
    later = changed + timedelta(microseconds=1)
    assert (
        practice.found(PatientQuery(updated_since=later))[0] == paid(practice, PaymentQuery(updated_since=later)) == []
    )
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert len(practice.found(PatientQuery(updated_since=first))[0]) == 4
    assert len(paid(practice, PaymentQuery(updated_since=first))) == 4


def test_all_rows_are_counted_whatever_the_page(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("6")], payments=[payment(f"{n}", "5", "1") for n in range(3)])
    practice.sync(
        patients=[patient("5"), patient("6")],
        payments=[payment("0", "5", "2"), payment("1", "5", "1"), payment("2", "5", "1"), payment("3", "6", "1")],
    )
    changed = practice.payments["0"].updated
    with practice.store.reading() as reader:
        patients, payments = reader.patients, reader.payments
        assert patients.page(PatientQuery()).total is None
        assert payments.page(PaymentQuery()).total is None
        assert patients.page(PatientQuery(limit=1, count=True)).total == 2
        assert patients.page(PatientQuery(limit=1, count=True, after=(99,))).total == 2
        assert patients.page(PatientQuery(AmountRange(minimum=Decimal(2)), count=True)).total == 1
        assert patients.page(PatientQuery(words=("nobody",), count=True)).total == 0
        assert payments.page(PaymentQuery(limit=1, count=True)).total == 4
        assert payments.page(PaymentQuery(count=True, after=99)).total == 4
        assert payments.page(PaymentQuery("5", count=True)).total == 3
        assert payments.page(PaymentQuery("nobody", count=True)).total == 0
        assert payments.page(PaymentQuery(updated_since=changed, count=True)).total == 2
        assert payments.page(PaymentQuery("5", updated_since=changed, count=True)).total == 1


def test_the_totals_of_all_patients_that_match_are_added_up_exactly_whatever_the_page(practice: Practice) -> None:
    amounts = {"a": "9999999999.99", "b": "9999999999.98", "c": "0.10", "d": "0.20", "e": "-5"}
    practice.sync(
        patients=[*(patient(each, first_name="Zoë") for each in amounts), patient("f")],
        payments=[payment(each, each, amount) for each, amount in amounts.items()],
    )
    updated = practice.patients["a"].updated
    large, small = AmountRange(minimum=Decimal(1)), AmountRange(Decimal("0.10"), Decimal("0.20"))
    with practice.store.reading() as reader:
        patients = reader.patients
        for sort in SortKey:
            query = PatientQuery(sort=sort, limit=1, count=True)
            assert counted(patients.page(query)) == (6, "19999999995.27")
            assert counted(patients.page(msgspec.structs.replace(query, total=large))) == (2, "19999999999.97")
            for words in ((), ("zoe",)):
                narrow = msgspec.structs.replace(query, total=small, words=words)
                assert counted(patients.page(narrow)) == (2, "0.30")
            found = msgspec.structs.replace(query, words=("zoe",), updated_since=updated)
            first = patients.page(found)
            assert counted(first) == (5, "19999999995.27")
            second = msgspec.structs.replace(found, after=sort.of(first.items[0]))
            assert counted(patients.page(second)) == (5, "19999999995.27")
            for nobody in (("nobody",), ("zoe", "nobody")):
                assert counted(patients.page(msgspec.structs.replace(query, words=nobody))) == (0, "0.00")
            assert counted(patients.page(PatientQuery(sort=sort))) == (None, "None")
            for words, number in (((), 6), (("zoe",), 5)):
                unadded = msgspec.structs.replace(query, words=words, sum=False)
                assert counted(patients.page(unadded)) == (number, "None")
        assert counted(reader.payments.page(PaymentQuery(count=True))) == (5, "None")


def test_an_empty_store_has_the_sum_zero(practice: Practice) -> None:
    with practice.store.reading() as reader:
        assert counted(reader.patients.page(PatientQuery(count=True))) == (0, "0.00")


def counted(page: Page[Any]) -> tuple[int | None, str]:
    """Return the number of the rows on all pages, and their sum with its decimals."""
    return page.total, str(page.sum)


def paid(practice: Practice, query: PaymentQuery) -> list[str]:
    """Return the external ids of the payments that a page and an export have."""
    with practice.store.reading() as reader:
        page = [view.external_id for view in reader.payments.page(query).items]
    export = practice.store.export()
    exported = [view.external_id for view in chain(*export.payments(query))]
    export.close()
    assert exported == page
    return page
