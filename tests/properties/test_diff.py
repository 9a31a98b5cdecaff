"""A sync of any rows stores the good ones, and keeps of the stored rows only those that rejected rows protect."""

from collections import defaultdict
from decimal import Decimal
from typing import TypedDict, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from builders import patient, payment, rejection
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import Model, Patient, Payment
from practice import Practice

R = TypeVar("R", Patient, Payment)

IDS = st.sampled_from(["1", "2", "3", "01", "a", "A", "\u00e9", "e\u0301"])
PATIENTS = st.builds(lambda id_, name: patient(id_, first_name=name), IDS, st.sampled_from(["Rick", "Roy"]))
PAYMENTS = st.builds(payment, IDS, IDS, st.sampled_from(["-1", "0.00", "4.46", "9999999999.99"]))


class SentRows(TypedDict, total=False):
    """The rows of one sync: arguments of ``Practice.sync``."""

    patients: list[Patient | Rejection]
    payments: list[Payment | Rejection]


def snapshots(records: st.SearchStrategy[R], model: Model) -> st.SearchStrategy[list[R | Rejection]]:
    """Return a strategy for snapshots of good rows and rows that the reader rejected, some with a readable id."""
    rows = st.lists(st.one_of(records, records, records, IDS) | st.none(), max_size=12)
    return rows.map(lambda found: [bad_or_good(model, row, each) for row, each in enumerate(found, 1)])


def bad_or_good(model: Model, row: int, each: R | str | None) -> R | Rejection:
    """Return a good record as it is; return a rejection of an external id, or of None for an unreadable one."""
    return rejection(row, each, "blank", None, model) if each is None or isinstance(each, str) else each


SYNCS = st.fixed_dictionaries(
    {},
    optional={"patients": snapshots(PATIENTS, Model.PATIENT), "payments": snapshots(PAYMENTS, Model.PAYMENT)},
)
HISTORIES = st.lists(SYNCS, max_size=4)


@given(HISTORIES, snapshots(PATIENTS, Model.PATIENT))
def test_after_a_sync_the_good_patients_are_stored_and_what_rejected_rows_protected(
    history: list[SentRows], rows: list[Patient | Rejection]
) -> None:
    practice = after(history)
    before = stored_patients(practice)
    report = practice.sync(patients=rows).models[Model.PATIENT]
    assert stored_patients(practice) == expected(before, rows, set(), report.deletions_suspended)


@given(HISTORIES, snapshots(PAYMENTS, Model.PAYMENT))
def test_after_a_sync_the_good_payments_are_stored_and_what_rejected_rows_protected(
    history: list[SentRows], rows: list[Payment | Rejection]
) -> None:
    practice = after(history)
    before = stored_payments(practice)
    report = practice.sync(payments=rows).models[Model.PAYMENT]
    of_unknown_patients = {row for row in rows if isinstance(row, Payment) and row.patient_id not in practice.patients}
    assert stored_payments(practice) == expected(before, rows, of_unknown_patients, report.deletions_suspended)


@given(HISTORIES, SYNCS)
def test_the_counts_of_a_report_add_up(history: list[SentRows], snapshots: SentRows) -> None:
    practice = after(history)
    before = {Model.PATIENT: len(practice.patients), Model.PAYMENT: len(practice.payments)}
    sent = {Model.PATIENT: len(snapshots.get("patients", [])), Model.PAYMENT: len(snapshots.get("payments", []))}
    report = practice.sync(**snapshots)
    now = {Model.PATIENT: len(practice.patients), Model.PAYMENT: len(practice.payments)}
    for model, part in report.models.items():
        assert part.rows == sent[model]
        assert part.rows == part.created + part.updated + part.unchanged + part.rejected
        assert now[model] == before[model] + part.created - part.deleted
    assert len(report.errors) + report.errors_omitted == report.rejected


@given(HISTORIES, SYNCS)
def test_syncing_the_same_again_changes_nothing(history: list[SentRows], snapshots: SentRows) -> None:
    practice = after(history)
    practice.sync(**snapshots)
    before = practice.patients, practice.payments
    report = practice.sync(**snapshots)
    assert not report.changed
    assert (practice.patients, practice.payments) == before


@given(HISTORIES, SYNCS)
def test_a_dry_run_reports_what_the_sync_does(history: list[SentRows], snapshots: SentRows) -> None:
    practice = after(history)
    before = practice.answers()
    dry = practice.sync(**snapshots, dry_run=True)
    assert practice.answers() == before
    done = practice.sync(**snapshots)
    assert (dry.models, dry.errors) == (done.models, done.errors)


@given(HISTORIES)
def test_every_payment_has_its_patient_and_every_total_its_payments(history: list[SentRows]) -> None:
    practice = after(history)
    amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
    for stored_payment in practice.payments.values():
        amounts[stored_payment.patient_id].append(stored_payment.amount)
    assert amounts.keys() <= practice.patients.keys()
    for external_id, stored_patient in practice.patients.items():
        assert stored_patient.payment_total == sum(amounts[external_id])
        assert stored_patient.payment_count == len(amounts[external_id])


def expected(
    before: dict[str, R], rows: list[R | Rejection], of_unknown_patients: set[R], suspended: str | None
) -> dict[str, R]:
    """Return the rows to be stored, found in another way than by a diff: from the set of valid rows of each id."""
    present: set[str | None] = set()
    valid: defaultdict[str, set[R]] = defaultdict(set)
    for row in rows:
        present.add(row.external_id)
        if not isinstance(row, Rejection) and row not in of_unknown_patients:
            valid[row.external_id].add(row)
    good = {external_id: same_id.pop() for external_id, same_id in valid.items() if len(same_id) == 1}
    return {id_: row for id_, row in before.items() if suspended or id_ in present} | good


def after(history: list[SentRows]) -> Practice:
    """Return a practice in memory after these syncs."""
    practice = Practice()
    for each in history:
        practice.sync(**each)
    return practice


def stored_patients(practice: Practice) -> dict[str, Patient]:
    """Return the stored patients by external id, as records of a snapshot."""
    return {
        id_: Patient(id_, view.first_name, view.last_name, view.middle_name, view.date_of_birth)
        for id_, view in practice.patients.items()
    }


def stored_payments(practice: Practice) -> dict[str, Payment]:
    """Return the stored payments by external id, as records of a snapshot."""
    return {id_: Payment(id_, view.patient_id, view.amount) for id_, view in practice.payments.items()}
