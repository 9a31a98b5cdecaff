"""Whatever comes, a sync leaves the snapshot's good rows, and of what was stored only what rejected rows protect."""

from collections import defaultdict
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from builders import patient, payment, rejection
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.report import Report
from practice import Practice

R = TypeVar("R", Patient, Payment)

IDS = st.sampled_from(["1", "2", "3", "01", "a", "A", "\u00e9", "e\u0301"])
PATIENTS = st.builds(lambda id_, name: patient(id_, first_name=name), IDS, st.sampled_from(["Rick", "Roy"]))
PAYMENTS = st.builds(payment, IDS, IDS, st.sampled_from(["-1", "0.00", "4.46", "9999999999.99"]))


def snapshots(records: st.SearchStrategy[R], model: Model) -> st.SearchStrategy[list[R | Rejection]]:
    """Return snapshots of good rows, with some rows among them that the reader rejected."""
    rows = st.lists(st.one_of(records, records, records, IDS) | st.none(), max_size=12)
    return rows.map(lambda found: [bad_or_good(model, row, each) for row, each in enumerate(found, 1)])


def bad_or_good(model: Model, row: int, each: R | str | None) -> R | Rejection:
    return rejection(row, each, "blank", None, model) if each is None or isinstance(each, str) else each


SYNCS = st.fixed_dictionaries(
    {},
    optional={"patients": snapshots(PATIENTS, Model.PATIENT), "payments": snapshots(PAYMENTS, Model.PAYMENT)},
)
HISTORIES = st.lists(SYNCS, max_size=4)


@given(HISTORIES, snapshots(PATIENTS, Model.PATIENT))
def test_after_a_sync_the_good_patients_are_stored_and_what_rejected_rows_protected(history, rows) -> None:
    practice = after(history)
    before = stored_patients(practice)
    report = practice.sync(patients=rows)
    assert stored_patients(practice) == expected(before, rows, set(), report.patients.deletions_suspended)


@given(HISTORIES, snapshots(PAYMENTS, Model.PAYMENT))
def test_after_a_sync_the_good_payments_are_stored_and_what_rejected_rows_protected(history, rows) -> None:
    practice = after(history)
    before = stored_payments(practice)
    report = practice.sync(payments=rows)
    strangers = {row for row in rows if isinstance(row, Payment) and row.patient_id not in practice.patients}
    assert stored_payments(practice) == expected(before, rows, strangers, report.payments.deletions_suspended)


@given(HISTORIES, SYNCS)
def test_the_counts_of_a_report_add_up(history, snapshots) -> None:
    practice = after(history)
    before = {Model.PATIENT: len(practice.patients), Model.PAYMENT: len(practice.payments)}
    report = practice.sync(**snapshots)
    now = {Model.PATIENT: len(practice.patients), Model.PAYMENT: len(practice.payments)}
    for model, part in report.models.items():
        assert part.rows == len(snapshots.get(model.plural, []))
        assert part.rows == part.created + part.updated + part.unchanged + part.rejected
        assert now[model] == before[model] + part.created - part.deleted
    assert len(report.errors) + report.errors_omitted == report.rejected


@given(HISTORIES, SYNCS)
def test_syncing_the_same_again_changes_nothing(history, snapshots) -> None:
    practice = after(history)
    practice.sync(**snapshots)
    before = practice.patients, practice.payments
    report: Report = practice.sync(**snapshots)
    assert not report.changed
    assert (practice.patients, practice.payments) == before


@given(HISTORIES, SYNCS)
def test_a_dry_run_foretells_the_sync(history, snapshots) -> None:
    practice = after(history)
    before = practice.answers()
    foretold = practice.sync(**snapshots, dry_run=True)
    assert practice.answers() == before
    done = practice.sync(**snapshots)
    assert (foretold.models, foretold.errors) == (done.models, done.errors)


@given(HISTORIES)
def test_every_payment_has_its_patient_and_every_total_its_payments(history) -> None:
    practice = after(history)
    totals = defaultdict(list)
    for each in practice.payments.values():
        totals[each.patient_id].append(each.amount)
    assert totals.keys() <= practice.patients.keys()
    for each in practice.patients.values():
        assert (each.payment_total, each.payment_count) == (
            sum(totals[each.external_id]),
            len(totals[each.external_id]),
        )


def expected(before: dict[str, R], rows: list[R | Rejection], strangers: set[R], suspended: str | None) -> dict[str, R]:
    """Return what is to be stored, told without a diff: by looking at all rows of each id at once."""
    came, able = set(), defaultdict(set)
    for row in rows:
        came.add(row.external_id)
        if not isinstance(row, Rejection) and row not in strangers:
            able[row.external_id].add(row)
    good = {external_id: rows.pop() for external_id, rows in able.items() if len(rows) == 1}
    return {id_: row for id_, row in before.items() if suspended or id_ in came} | good


def after(history: list[dict[str, list]]) -> Practice:
    practice = Practice()
    for each in history:
        practice.sync(**each)
    return practice


def stored_patients(practice: Practice) -> dict[str, Patient]:
    return {
        id_: Patient(id_, view.first_name, view.last_name, view.middle_name, view.date_of_birth)
        for id_, view in practice.patients.items()
    }


def stored_payments(practice: Practice) -> dict[str, Payment]:
    return {id_: Payment(id_, view.patient_id, view.amount) for id_, view in practice.payments.items()}
