"""Whatever comes by accident, no row of 10,000 is lost that nobody has allowed to go: through both doors."""

from pathlib import Path

import pytest
from webtest import TestApp

from api import code, post, sync
from fingerprint import Content, fingerprint
from harmful import ACCIDENTS, PATIENTS, PAYMENTS
from paymentagg.entrypoints.console import sync_cli
from stores import SqlStore


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_an_accident_costs_no_row_over_http(app: TestApp, shared_database_url: str, full: Content, name: str) -> None:
    accident = ACCIDENTS[name]
    status, expected, _ = accident.outcome
    answer = post(app, accident.path, accident.body, accident.media, status="*")
    assert (answer.status_int, code(answer) if status >= 400 else "") == (status, expected), answer.text[:1000]
    assert fingerprint(shared_database_url).content == full


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_an_accident_costs_no_row_through_the_console(
    console: Path, shared_database_url: str, full: Content, name: str
) -> None:
    accident = ACCIDENTS[name]
    snapshot = console / "snapshot"
    snapshot.write_bytes(accident.body)
    assert sync_cli.main([f"--{accident.path[1:]}", str(snapshot), "-v0"]) == accident.outcome.exit_status
    assert fingerprint(shared_database_url).content == full


@pytest.fixture(scope="module")
def full(app: TestApp, store: SqlStore, shared_database_url: str) -> Content:  # noqa: ARG001  the store is emptied first
    """What is stored when all of it was synced."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    content = fingerprint(shared_database_url).content
    assert len(content.patients) + len(content.payments) == 10_000
    return content


@pytest.fixture
def console(shared_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the console script runs, with the database."""
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", shared_database_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path
