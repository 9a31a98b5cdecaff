"""No accident deletes any of 10,000 rows without permission, over HTTP or with the console script."""

from pathlib import Path

import pytest
from webtest import TestApp

from api import code, sync
from fingerprint import Content, fingerprint
from harmful import ACCIDENTS, PATIENTS, PAYMENTS
from inputs.posting import post_any
from paymentagg.entrypoints.console import sync_cli
from stores import SqlStore


@pytest.mark.parametrize("name", list(ACCIDENTS))
def test_an_accident_costs_no_row_over_http(app: TestApp, shared_database_url: str, full: Content, name: str) -> None:
    accident = ACCIDENTS[name]
    status, expected, _ = accident.outcome
    answer = post_any(app, accident.path, accident.body, accident.media)
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
    """The content after both complete snapshots were synced."""
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    content = fingerprint(shared_database_url).content
    assert len(content.patients) + len(content.payments) == 10_000
    return content


@pytest.fixture
def console(shared_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of the console script, which is configured for the database."""
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", shared_database_url)
    monkeypatch.chdir(tmp_path)
    return tmp_path
