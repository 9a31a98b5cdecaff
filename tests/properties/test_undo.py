"""Whatever syncs were done, undoing them one by one gives back each earlier state exactly, in all stores."""

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import patient, payment, rejection
from kept import rows
from neighbour import neighbour
from paymentagg.domain.errors import HeldSnapshot
from paymentagg.domain.model import Model
from postgres import NORTH
from practice import Practice
from stores import MemoryStore, SqlStore, Store

HISTORIES_PER_STORE = 6
"""The number of random histories, multiplied by --scale: ``--scale 34`` makes it more than 200."""

PATIENT_IDS = st.sampled_from(["5", "05", "a", "A", "é", "\U0001f600", "x\\N"])
PAYMENT_IDS = st.sampled_from(["1", "01", "b", "B", '"', "'; --", "5"])
NAMES = st.sampled_from(["Rick", "rick", 'Ri\\ck"', "\u202eRick", "R\u0301", "null"])
AMOUNTS = st.sampled_from(["0.00", "0.10", "0.20", "-0.30", "9999999999.99", "-9999999999.99", "7.1"])

patients = st.builds(
    patient, PATIENT_IDS, first_name=NAMES, middle_name=st.none() | NAMES, date_of_birth=st.none() | st.dates()
)
payments = st.builds(payment, PAYMENT_IDS, PATIENT_IDS, AMOUNTS)


def snapshots(records: st.SearchStrategy[Any], model: Model) -> st.SearchStrategy[list[Any] | None]:
    """Return a strategy for rows with different ids, a few of them rejected by the reader, or for no snapshot."""
    kinds = st.sampled_from(["good"] * 14 + ["bad"])
    items = st.lists(st.tuples(records, kinds), max_size=8, unique_by=lambda item: item[0].external_id)

    def rows_of(items: list[tuple[Any, str]]) -> list[Any]:
        return [
            record if kind == "good" else rejection(row, record.external_id, model=model)
            for row, (record, kind) in enumerate(items, 1)
        ]

    return st.none() | items.map(rows_of)


SYNCS = st.fixed_dictionaries(
    {"patients": snapshots(patients, Model.PATIENT), "payments": snapshots(payments, Model.PAYMENT)}
)
MERGES = st.tuples(PATIENT_IDS, PATIENT_IDS)
"""A patient who goes, and the one to whom their payments move."""


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgresql", "many-practices"])
def test_undoing_one_by_one_gives_back_each_earlier_state(
    kind: str, request: pytest.FixtureRequest, scale: int
) -> None:
    store: Store
    # It waits for PostgreSQL's autovacuum, which locks tables for a moment.
    match kind:
        case "memory":
            store = MemoryStore()
        case "many-practices":
            store = SqlStore(request.getfixturevalue("practices_url"), patience=5_000, practice=NORTH)
        case engine:
            store = SqlStore(request.getfixturevalue(f"{engine}_url"), patience=5_000)

    @settings(
        max_examples=HISTORIES_PER_STORE * scale,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(history=st.lists(SYNCS | MERGES, min_size=1, max_size=6))
    def check(history: list[Any]) -> None:
        if isinstance(store, SqlStore):
            store.empty()
        do_and_undo(Practice(store if isinstance(store, SqlStore) else MemoryStore()), history)

    with neighbour(request.getfixturevalue("practices_url")) if kind == "many-practices" else nullcontext():
        check()
    store.close()


def do_and_undo(practice: Practice, history: list[Any]) -> None:
    """Do all syncs, then undo all that changed something, from the last one to the first, and compare all states."""
    done = []
    for number, step in enumerate(history):
        before, version, sync = rows(practice.store), version_of(practice), sync_of(practice, step)
        report = practice.sync(**sync, digest=f"{number}")
        if report.changed:
            done.append((report, sync, f"{number}", before, version))

    for report, sync, digest, before, version in reversed(done):
        latest = version_of(practice)
        undone = practice.undo(report.id)
        assert rows(practice.store) == before
        assert version_of(practice) not in (version, latest)
        assert {model: (part.created, part.updated, part.deleted) for model, part in undone.models.items()} == {
            model: (part.deleted, part.updated, part.created) for model, part in report.models.items() if part.changed
        }
        with pytest.raises(HeldSnapshot):
            practice.sync(**sync, digest=digest)
        forced = practice.sync(**sync, digest=digest, force=True, dry_run=True)
        assert forced.models == report.models
    if done:  # and the same can be done again, and undone
        report, sync, digest, before, _ = done[0]
        again = practice.sync(**sync, digest="another")
        assert again.models == report.models
        practice.undo(again.id)
        assert rows(practice.store) == before
        assert practice.sync(**sync, digest=digest, force=True).models == report.models


def sync_of(practice: Practice, step: Any) -> dict[str, Any]:
    """Return the snapshots of a step; a merge sends what is stored, without the patient who goes."""
    if isinstance(step, dict):
        return step
    go, stay = step
    stored = {id_: view for id_, view in practice.patients.items() if id_ != go or go == stay}
    moved = [
        payment(id_, stay if view.patient_id == go else view.patient_id, str(view.amount))
        for id_, view in practice.payments.items()
    ]
    return {
        "patients": [
            patient(id_, first_name=view.first_name, middle_name=view.middle_name, date_of_birth=view.date_of_birth)
            for id_, view in stored.items()
        ],
        "payments": moved,
    }


def version_of(practice: Practice) -> str:
    with practice.store.reading() as reader:
        return reader.syncs.version()
