"""The stores return the same reports and rows for the same random histories; another practice has no part in them."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import patient, payment, rejection
from neighbour import neighbour
from paymentagg.domain.errors import DeletionRefused, RejectedRows
from paymentagg.domain.model import Model
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import PatientQuery, SortKey
from postgres import NORTH
from practice import Heard, Practice
from stores import SqlStore

IDS = st.sampled_from(["5", "05", "a", "A", "é", "\U0001f600", "x\\N", "%", "'; DROP TABLE patients;--"])
NAMES = st.sampled_from(["Rick", "rick", "Ri\\ck", "\u202eRick", "R\u0301"])
AMOUNTS = st.sampled_from(["0.00", "0.10", "0.20", "-0.30", "9999999999.99", "-9999999999.99", "7.1"])

patients = st.builds(
    patient, IDS, first_name=NAMES, middle_name=st.none() | NAMES, date_of_birth=st.none() | st.dates()
)
payments = st.builds(payment, IDS, IDS, AMOUNTS)


def snapshots(records: st.SearchStrategy[Any], model: Model) -> st.SearchStrategy[list[Any] | None]:
    """Return a strategy for rows, some of which the reader rejected, some of these with an unreadable id."""
    records_and_kinds = st.lists(st.tuples(records, st.sampled_from(["good"] * 8 + ["bad", "unreadable"])), max_size=12)

    def rows(items: list[tuple[Any, str]]) -> list[Any]:
        return [
            record if kind == "good" else rejection(row, record.external_id if kind == "bad" else None, model=model)
            for row, (record, kind) in enumerate(items, 1)
        ]

    return st.none() | records_and_kinds.map(rows)


syncs = st.fixed_dictionaries(
    {
        "patients": snapshots(patients, Model.PATIENT),
        "payments": snapshots(payments, Model.PAYMENT),
        "limit": st.sampled_from(["100%", "100%", "50%", "1"]),
        "dry_run": st.sampled_from([False, False, False, True]),
        "strict": st.sampled_from([False, False, False, True]),
        "force": st.booleans(),
        "digest": st.sampled_from([None, None, "a"]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(syncs, min_size=1, max_size=5))
def test_three_stores_have_the_same_history(history: list[dict[str, Any]], sql_stores: list[SqlStore]) -> None:
    compare(history, *sql_stores)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(syncs, min_size=1, max_size=5))
def test_one_of_two_practices_has_the_same_history(history: list[dict[str, Any]], north: SqlStore) -> None:
    compare(history, north)


def compare(history: list[dict[str, Any]], *stores: SqlStore) -> None:
    """Do the syncs in these stores, and in memory."""
    for store in stores:
        store.empty()
    practices = [Practice(), *map(Practice, stores)]
    for sync in history:
        memory, *others = (outcome(practice, sync) for practice in practices)
        for other in others:
            assert other == memory


def outcome(practice: Practice, sync: dict[str, Any]) -> dict[str, Any]:
    """Return all that a user can see of a sync, except surrogate ids, some of which a refused sync uses up."""
    listener = Heard()
    try:
        report = practice.sync(**sync, listener=listener)
    except RejectedRows as error:
        report, refusal = error.report, str(error)
    except DeletionRefused as error:
        report, refusal = None, str(error)
    else:
        refusal = ""
    if report is not None:
        report.id = None
    return {
        "report": report,
        "refusal": refusal,
        "rejections": sorted(listener.rejections, key=lambda rejection: (rejection.model, rejection.row)),
        "changes": sorted(listener.changes, key=repr),
        "answers": practice.answers(),
        "ranges": [practice.found(query) for query in QUERIES],
    }


QUERIES = [
    PatientQuery(total=AmountRange(minimum, maximum), sort=sort, descending=descending, limit=3)
    for minimum in (None, Decimal("0.00"), Decimal("-0.30"))
    for maximum in (None, Decimal("0.30"), Decimal("7.10"))
    for sort in SortKey
    for descending in (False, True)
]


@pytest.fixture
def sql_stores(sqlite_url: str, postgresql_url: str) -> Iterator[list[SqlStore]]:
    """A store on SQLite and one on PostgreSQL."""
    stores = [SqlStore(sqlite_url), SqlStore(postgresql_url)]
    yield stores
    for store in stores:
        store.close()


@pytest.fixture
def north(practices_url: str) -> Iterator[SqlStore]:
    """The store of one of two practices; the other one stays as it is."""
    store = SqlStore(practices_url, practice=NORTH)
    with neighbour(practices_url):
        yield store
    store.close()
