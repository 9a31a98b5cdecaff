from datetime import UTC, date, datetime
from decimal import Decimal

from paymentagg.domain.changes import Created, Deleted, Updated
from paymentagg.domain.history import ChangeKind, PaymentChange
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.entrypoints.pages.change_rows import Difference, Field, patients_of, row_of

DEKARD = Patient("5", "Rick", "Dekard", None, date(2094, 2, 1))
DECKARD = Patient("5", "Rick", "Deckard", "A.", date(2094, 2, 1))
PAID = Payment("501", "5", Decimal("12.50"))
MORE = Payment("501", "5", Decimal("15.20"))


def _paid(kind: ChangeKind, before: Payment | None, after: Payment | None) -> PaymentChange:
    return PaymentChange(7, datetime(2026, 11, 30, tzinfo=UTC), kind, 1, "501", before, after)


def test_an_update_shows_only_the_fields_that_differ() -> None:
    row = row_of(Difference.of_preview(Updated(Model.PATIENT, "5", DEKARD, DECKARD)), {})
    assert row.fields == [Field("lastName", "Dekard", "Deckard"), Field("middleName", None, "A.")]
    assert (row.kind, row.patient_id) == (ChangeKind.UPDATED, "5")


def test_what_is_created_or_deleted_shows_all_its_fields() -> None:
    assert row_of(Difference.of_preview(Created(Model.PAYMENT, "501", PAID)), {}).fields == [
        Field("patientId", None, "5"),
        Field("amount", None, "12.50"),
    ]
    assert row_of(Difference.of_preview(Deleted(Model.PAYMENT, "501", PAID)), {}).fields == [
        Field("patientId", "5", None),
        Field("amount", "12.50", None),
    ]


def test_a_payment_names_its_patient() -> None:
    change = _paid(ChangeKind.UPDATED, PAID, MORE)
    assert patients_of([Difference.of_past(change)] * 2) == ["5"]
    row = row_of(Difference.of_past(change), {"5": "Deckard, Rick"})
    assert (row.patient, row.patient_id, row.fields) == ("Deckard, Rick", "5", [Field("amount", "12.50", "15.20")])


def test_an_undo_does_the_inverse() -> None:
    assert row_of(Difference.of_past(_paid(ChangeKind.UPDATED, PAID, MORE)).inverse, {}).fields == [
        Field("amount", "15.20", "12.50")
    ]
    assert Difference.of_past(_paid(ChangeKind.CREATED, None, PAID)).inverse.kind is ChangeKind.DELETED
    assert Difference.of_past(_paid(ChangeKind.DELETED, PAID, None)).inverse.kind is ChangeKind.CREATED
