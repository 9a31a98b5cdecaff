"""A first load that is large enough for a bulk load follows the same rules."""

from builders import patient, payment, rejection
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport
from practice import Practice

MANY_ROWS = 10_500


def test_a_large_first_load_stores_all_good_rows_with_their_totals(practice: Practice) -> None:
    report = practice.sync(
        patients=[patient(f"{n}") for n in range(MANY_ROWS)],
        payments=[payment(f"{n}", f"{n // 3}", "0.10") for n in range(MANY_ROWS)],
    )
    created = ModelReport(rows=MANY_ROWS, created=MANY_ROWS)
    assert report.models == {Model.PATIENT: created, Model.PAYMENT: created}
    totals = practice.totals
    assert (totals["0"], totals["3499"], totals["3500"]) == ("0.30", "0.30", "0.00")


def test_a_large_first_load_rejects_what_a_small_one_would(practice: Practice) -> None:
    practice.sync(patients=[patient(f"{n}") for n in range(MANY_ROWS)])
    report = practice.sync(
        payments=[
            *(payment(f"{n}", f"{n}") for n in range(MANY_ROWS)),
            payment("7", "7"),
            payment("8", "8", "99"),
            payment("lost", "nobody"),
            rejection(MANY_ROWS + 4, "9", model=Model.PAYMENT),
        ]
    )
    rows = MANY_ROWS + 4
    assert report.models[Model.PAYMENT] == ModelReport(rows=rows, created=MANY_ROWS - 1, rejected=5)
    assert "8" not in practice.payments
    assert {"7", "9"} <= set(practice.payments)


def test_after_a_large_first_load_everything_is_as_after_small_ones(practice: Practice) -> None:
    practice.sync(
        patients=[patient(f"{n}") for n in range(MANY_ROWS)],
        payments=[payment(f"{n}", f"{n}") for n in range(MANY_ROWS)],
    )
    report = practice.sync(
        patients=[patient(f"{n}") for n in range(1, MANY_ROWS)],
        payments=[payment(f"{n}", f"{n}", "5" if n == 1 else "4.46") for n in range(1, MANY_ROWS)],
    )
    unchanged = MANY_ROWS - 2
    assert report.models[Model.PATIENT] == ModelReport(rows=MANY_ROWS - 1, unchanged=MANY_ROWS - 1, deleted=1)
    assert report.models[Model.PAYMENT] == ModelReport(rows=MANY_ROWS - 1, updated=1, unchanged=unchanged, deleted=1)
