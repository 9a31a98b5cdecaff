"""Whatever syncs and undos were done: no check finds anything, and what is stored equals a file of it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import payment
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import DeletionRefused, HeldSnapshot, NotUndoable, RejectedRows, SyncNotFound
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from practice import Given, Practice, snapshot
from properties.test_histories import patients, payments, snapshots, syncs
from properties.test_undo import MERGES, SYNCS, sync_of
from stores import SqlStore

HISTORIES = 8
"""The number of random histories on each engine, multiplied by --scale."""

STEPS = st.lists(st.tuples(st.just("sync"), syncs | SYNCS | MERGES) | st.tuples(st.just("undo"), st.none()), max_size=7)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_check_finds_anything_after_a_random_history(
    engine: str, request: pytest.FixtureRequest, scale: int
) -> None:
    store = SqlStore(request.getfixturevalue(f"{engine}_url"), patience=5_000)

    @settings(
        max_examples=HISTORIES * scale, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(steps=STEPS, keeps=st.lists(st.booleans(), min_size=7, max_size=7))
    def check(steps: list[tuple[str, Any]], keeps: list[bool]) -> None:
        store.empty()
        practice = Practice(store)
        for (kind, step), keep in zip(steps, keeps, strict=False):
            try:
                if kind == "sync":
                    practice.sync(**sync_of(practice, step), keep_history=keep)
                else:
                    practice.undo(latest(store))
            except (DeletionRefused, RejectedRows, HeldSnapshot, NotUndoable, SyncNotFound):
                pass
            with store.verification() as verification:
                assert list(verification.findings()) == []
        assert not any(part.changed or part.rejected for part in compared(store, *stored(practice)).models.values())

    check()
    store.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_comparison_with_files_finds_what_a_dry_run_finds_and_changes_nothing(
    engine: str, request: pytest.FixtureRequest, scale: int
) -> None:
    store = SqlStore(request.getfixturevalue(f"{engine}_url"), patience=5_000)

    @settings(
        max_examples=HISTORIES * scale, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
    )
    @given(first=SYNCS, patients=snapshots(patients, Model.PATIENT), payments=snapshots(payments, Model.PAYMENT))
    def check(first: dict[str, Any], patients: list[Any] | None, payments: list[Any] | None) -> None:
        store.empty()
        practice = Practice(store)
        practice.sync(**first)
        before = practice.answers()
        # Payments of new patients are rejected by the comparison: the patients aren't stored.
        known = [row for row in patients or [] if not isinstance(row, Patient) or row.external_id in practice.patients]
        given_patients = None if patients is None else known
        dry = practice.sync(patients=given_patients, payments=payments, dry_run=True, force=True)
        assert compared(store, given_patients, payments).models == dry.models
        assert practice.answers() == before

    check()
    store.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=snapshots(payments, Model.PAYMENT), new=snapshots(payments, Model.PAYMENT))
def test_a_comparison_of_two_files_reports_what_two_syncs_report(
    old: list[Any] | None, new: list[Any] | None, sqlite_url: str
) -> None:
    everyone = {row.patient_id for row in [*(old or []), *(new or [])] if isinstance(row, Payment)}
    practice = Practice()
    practice.sync(patients=[Patient(external_id, "Rick", "Deckard") for external_id in everyone])
    store = SqlStore(sqlite_url)
    terms = Terms(DeletionLimit.parse("100%"))
    for rows in (old or [], new or []):
        with store.scratch() as storage:
            report = synchronize(storage, Snapshots(payments=Given(snapshot(rows))), terms, practice.clock)
        expected = practice.sync(payments=rows)
        assert (report.models, report.errors) == (expected.models, expected.errors)
    store.close()


def latest(store: SqlStore) -> int | None:
    """Return the sync that can be undone next."""
    with store.transaction() as storage:
        storage.discard()
        return storage.reversal.latest()


def stored(practice: Practice) -> tuple[list[Patient], list[Payment]]:
    """Return what is stored as the rows of two snapshots."""
    people = [
        Patient(each.external_id, each.first_name, each.last_name, each.middle_name, each.date_of_birth)
        for each in practice.patients.values()
    ]
    paid = [payment(each.external_id, each.patient_id, str(each.amount)) for each in practice.payments.values()]
    return people, paid


def compared(store: SqlStore, people: list[Any] | None, paid: list[Any] | None) -> Report:
    """Compare rows with what is stored, as paymentagg-verify does, and return the report."""
    given = Snapshots(
        None if people is None else Given(snapshot(people)), None if paid is None else Given(snapshot(paid))
    )
    terms = Terms(DeletionLimit.parse("100%"), dry_run=True, force=True)
    with store.verification() as verification:
        return synchronize(verification.storage(), given, terms, Practice().clock)
