"""The contract of PaymentRepository."""

from builders import patient, payment
from paymentagg.domain.queries import PaymentQuery
from practice import Practice


def page(practice: Practice, query: PaymentQuery) -> tuple[list[str], bool]:
    with practice.store.reading() as reader:
        found = reader.payments.page(query)
        return [view.external_id for view in found.items], found.more


def test_payments_come_in_the_order_of_the_snapshot_that_brought_them(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("z"), payment("a"), payment("m")])
    practice.sync(payments=[payment("b"), payment("z"), payment("a"), payment("m")])
    assert page(practice, PaymentQuery()) == (["z", "a", "m", "b"], False)


def test_the_payments_of_one_patient_are_found_by_their_external_id(practice: Practice) -> None:
    practice.sync(patients=[patient("5"), patient("05")], payments=[payment("1", "5"), payment("2", "05")])
    assert page(practice, PaymentQuery(patient_id="05")) == (["2"], False)
    assert page(practice, PaymentQuery(patient_id="6")) == ([], False)


def test_pages_follow_one_another_without_gap_or_overlap(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment(f"{n}") for n in range(5)])
    assert page(practice, PaymentQuery(patient_id="5", limit=2)) == (["0", "1"], True)
    assert page(practice, PaymentQuery(patient_id="5", limit=2, after=2)) == (["2", "3"], True)
    assert page(practice, PaymentQuery(patient_id="5", limit=2, after=4)) == (["4"], False)


def test_amounts_have_exactly_two_decimals(practice: Practice) -> None:
    amounts = ["7.1", "0", "-0.05", "9999999999.99", "-9999999999.99"]
    practice.sync(patients=[patient("5")], payments=[payment(amount, "5", amount) for amount in amounts])
    with practice.store.reading() as reader:
        found = [str(view.amount) for view in reader.payments.page(PaymentQuery()).items]
    assert found == ["7.10", "0.00", "-0.05", "9999999999.99", "-9999999999.99"]
