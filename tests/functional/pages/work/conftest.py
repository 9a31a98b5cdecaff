"""A desk with a database on each engine, as a server would have it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from functional.pages.work.clerk import Clerk, Gate
from paymentagg.app import build
from paymentagg.entrypoints.application import Application
from paymentagg.entrypoints.pages.work.desk import Desk
from practice import Practice
from stores import SqlStore


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The audit log."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def application(database_url: str, log: Path) -> Application:
    return build({"sqlalchemy.url": database_url, "paymentagg.audit_file": str(log)})


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def desk(application: Application, gate: Gate) -> Iterator[Desk]:
    desk = Desk(application, gate.take)
    yield desk
    gate.is_open.set()
    for owner in ("a session", "another session"):
        desk.sign_out(owner)


@pytest.fixture
def clerk(desk: Desk) -> Clerk:
    return Clerk(desk)


@pytest.fixture
def practice(database_url: str) -> Iterator[Practice]:
    """The same database, for syncs by others."""
    store = SqlStore(database_url)
    yield Practice(store)
    store.close()
