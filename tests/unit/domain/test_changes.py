import json
from collections.abc import Iterator
from itertools import count, islice

import msgspec
import pytest

from builders import patient, payment
from paymentagg.domain.changes import (
    Change,
    Created,
    Deleted,
    Pair,
    RejectedRow,
    Rejection,
    Unchanged,
    Updated,
    diff,
)
from paymentagg.domain.model import Model, Patient


def test_a_row_without_a_stored_twin_is_created() -> None:
    assert decided(Pair("5", row=1, record=patient("5"))) == [Created(Model.PATIENT, "5", patient("5"))]


def test_a_row_equal_to_its_stored_twin_is_unchanged() -> None:
    assert decided(Pair("5", row=1, record=patient("5"), stored=patient("5"))) == [Unchanged(Model.PATIENT, "5")]


@pytest.mark.parametrize("field", ["first_name", "last_name", "middle_name", "date_of_birth"])
def test_a_row_is_updated_when_any_field_differs(field: str) -> None:
    before = patient("5", middle_name="B")
    after = msgspec.structs.replace(before, **{field: None})
    assert decided(Pair("5", row=1, record=after, stored=before)) == [Updated(Model.PATIENT, "5", before, after)]


def test_amounts_written_differently_are_unchanged() -> None:
    pair = Pair("501", row=1, record=payment(amount="7.1"), stored=payment(amount="7.10"))
    assert list(diff(Model.PAYMENT, [pair])) == [Unchanged(Model.PAYMENT, "501")]


def test_a_stored_row_without_an_incoming_row_is_deleted() -> None:
    assert decided(Pair("5", stored=patient("5"))) == [Deleted(Model.PATIENT, "5", patient("5"))]


def test_a_row_that_the_reader_rejected_keeps_its_stored_twin_and_is_not_reported_twice() -> None:
    assert decided(Pair("5", row=1, stored=patient("5"))) == []


def test_a_payment_of_an_unknown_patient_is_rejected() -> None:
    pair = Pair("501", row=3, record=payment(), patient_known=False)
    assert list(diff(Model.PAYMENT, [pair])) == [
        Rejection.of(Model.PAYMENT, 3, "501", "patientId", "unknown-patient", "5"),
    ]


def test_the_first_of_equal_rows_is_taken() -> None:
    copies = [Pair("5", row=row, record=patient("5")) for row in (2, 4, 7)]
    assert decided(*copies) == [Created(Model.PATIENT, "5", patient("5")), duplicate(4, "5"), duplicate(7, "5")]


def test_the_first_of_equal_rows_that_are_stored_is_unchanged() -> None:
    copies = [Pair("5", row=row, record=patient("5"), stored=patient("5")) for row in (2, 4)]
    assert decided(*copies) == [Unchanged(Model.PATIENT, "5"), duplicate(4, "5")]


def test_rows_with_the_same_id_that_differ_are_all_rejected() -> None:
    first = Pair("5", row=1, record=patient("5", first_name="Rick"), conflicting=True)
    other = Pair("5", row=2, record=patient("5", first_name="Roy"), conflicting=True)
    assert decided(first, other) == [conflict(1, "5"), conflict(2, "5")]


def test_a_row_that_was_rejected_does_not_count_as_a_copy() -> None:
    assert decided(Pair("5", row=1), Pair("5", row=2, record=patient("5"))) == [
        Created(Model.PATIENT, "5", patient("5"))
    ]


def test_a_payment_of_an_unknown_patient_does_not_count_as_a_copy() -> None:
    unknown = Pair("501", row=1, record=payment(patient_id="6"), patient_known=False)
    known = Pair("501", row=2, record=payment())
    assert list(diff(Model.PAYMENT, [unknown, known])) == [
        Rejection.of(Model.PAYMENT, 1, "501", "patientId", "unknown-patient", "6"),
        Created(Model.PAYMENT, "501", payment()),
    ]


def test_a_rejected_row_is_kept_whole_if_asked_for() -> None:
    stranger = Pair("501", row=3, record=payment(amount="-7.10"), patient_known=False)
    (rejected,) = diff(Model.PAYMENT, [stranger], keep_rows=True)
    assert isinstance(rejected, RejectedRow)
    assert bytes(rejected.sent) == b'{"externalId":"501","patientId":"5","amount":-7.10}'
    assert rejected.without_row() == Rejection.of(Model.PAYMENT, 3, "501", "patientId", "unknown-patient", "5")

    copies = [Pair("5", row=row, record=patient("5", middle_name="é")) for row in (2, 4)]
    *_, copy = diff(Model.PATIENT, copies, keep_rows=True)
    assert isinstance(copy, RejectedRow)
    assert json.loads(bytes(copy.sent)) == {
        "externalId": "5",
        "firstName": "Rick",
        "lastName": "Deckard",
        "middleName": "é",
        "dateOfBirth": "2094-02-01",
    }


def test_a_long_id_is_clipped_in_the_rejection() -> None:
    (rejected,) = diff(Model.PAYMENT, [Pair("1", row=1, record=payment("1", "9" * 250), patient_known=False)])
    assert isinstance(rejected, Rejection)
    assert rejected.value == "9" * 99 + "…"


def test_the_diff_is_lazy() -> None:
    endless = (Pair(str(number), row=number, record=patient(str(number))) for number in count(1))
    changes: Iterator[Change] = diff(Model.PATIENT, endless)
    assert list(islice(changes, 2)) == [
        Created(Model.PATIENT, "1", patient("1")),
        Created(Model.PATIENT, "2", patient("2")),
    ]


def decided(*pairs: Pair[Patient]) -> list[Change]:
    return list(diff(Model.PATIENT, pairs))


def duplicate(row: int, external_id: str) -> Rejection:
    return Rejection.of(Model.PATIENT, row, external_id, "externalId", "duplicate-external-id", external_id)


def conflict(row: int, external_id: str) -> Rejection:
    return Rejection.of(Model.PATIENT, row, external_id, "externalId", "conflicting-external-id", external_id)
