"""The contract of Export."""

from itertools import chain

from builders import patient, payment
from paymentagg.domain.queries import PatientQuery, PaymentQuery, SortKey
from practice import Practice


def test_an_export_yields_all_that_a_query_finds_whatever_its_page_would_be(practice: Practice) -> None:
    practice.sync(patients=[patient(f"{n}") for n in range(3)], payments=[payment(f"{n}", "1") for n in range(3)])
    export = practice.store.export()
    query = PatientQuery(sort=SortKey.EXTERNAL_ID, descending=True, limit=1, after=("1",))
    assert [view.external_id for view in chain(*export.patients(query))] == ["2", "1", "0"]
    assert [view.external_id for view in chain(*export.payments(PaymentQuery(patient_id="1", limit=1)))] == [
        "0",
        "1",
        "2",
    ]
    assert list(chain(*export.payments(PaymentQuery(patient_id="2")))) == []
    export.close()


def test_an_export_can_be_read_again_from_the_start_even_if_it_was_left_early(practice: Practice) -> None:
    practice.sync(patients=[patient(f"{n}") for n in range(2_500)], payments=[payment("1", "1"), payment("2", "1")])
    export = practice.store.export()
    next(iter(export.patients(PatientQuery())))
    practice.sync(patients=[patient("1")])
    for _ in range(2):
        assert len(list(chain(*export.patients(PatientQuery())))) == 2_500
        assert [view.external_id for view in chain(*export.payments(PaymentQuery()))] == ["1", "2"]
    export.close()


def test_an_export_shows_the_state_that_it_began_with(practice: Practice) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1", amount="1")])
    export = practice.store.export()
    practice.sync(patients=[patient("5"), patient("6")], payments=[payment("1", amount="2")])
    (total,) = [view.payment_total for view in chain(*export.patients(PatientQuery()))]
    (amount,) = [view.amount for view in chain(*export.payments(PaymentQuery()))]
    assert total == amount == 1
    with practice.store.reading() as reader:
        assert export.version != reader.syncs.version()
    export.close()
