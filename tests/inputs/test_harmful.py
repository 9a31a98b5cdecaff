"""Whatever comes by accident, no row of 10,000 is lost that nobody has allowed to go: through both doors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import code, post, sync
from harmful import ACCIDENTS, PATIENTS, PAYMENTS
from paymentagg.entrypoints import cli
from stores import SqlStore


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_an_accident_costs_no_row_over_http(app: TestApp, store: SqlStore, full: Sequence[Any], name: str) -> None:
    accident = ACCIDENTS[name]
    status, expected, _ = accident.outcome
    answer = post(app, accident.path, accident.body, accident.media, status="*")
    assert (answer.status_int, code(answer) if status >= 400 else "") == (status, expected), answer.text[:1000]
    assert contents(store) == full


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_an_accident_costs_no_row_through_the_console(
    console: Path, store: SqlStore, full: Sequence[Any], name: str
) -> None:
    accident = ACCIDENTS[name]
    snapshot = console / "snapshot"
    snapshot.write_bytes(accident.body)
    assert cli.main([f"--{accident.path[1:]}", str(snapshot), "-v0"]) == accident.outcome.exit_status
    assert contents(store) == full


def contents(store: SqlStore) -> Sequence[Any]:
    """Return all rows with their totals, as the database has them."""
    with store.readers.connect() as connection:
        tables = ("patients", "payments", "payment_totals")
        return [connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY 1")).all() for table in tables]


@pytest.fixture(scope="module")
def full(app: TestApp, store: SqlStore) -> Sequence[Any]:
    """What is stored when all of it was synced."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    rows = contents(store)
    assert sum(map(len, rows[:2])) == 10_000
    return rows


@pytest.fixture
def console(shared_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the console script runs, with the database."""
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", shared_database_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path
