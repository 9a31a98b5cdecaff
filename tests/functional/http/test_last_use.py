"""When a key was last used is noted at most once an hour, and never at the cost of the request."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import statements
from command import KEYS_SCRIPT, Command
from keyring import Keyring, closed, forged, using
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.tables import api_keys
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http import security
from postgres import connect


def last_used(keys: Keyring) -> datetime | None:
    """Return when the oldest key was last used."""
    with keys.store.readers.connect() as connection:
        found: datetime | None = connection.scalar(sa.select(api_keys.c.last_used).order_by(api_keys.c.created))
        return found


def test_the_list_says_when_a_key_was_last_used(app: TestApp, keys: Keyring, database_url: str, tmp_path: Path) -> None:
    using(app, keys.key(Role.READER)).get("/patients")
    keys.key(Role.READER, name="another")
    rows = Command(tmp_path, database_url, KEYS_SCRIPT).run("list").stdout.decode().splitlines()
    used = last_used(keys)
    assert used is not None
    assert [row.split()[4] for row in rows] == ["last_used", f"{used:%Y-%m-%dT%H:%M:%SZ}", "-"]


@pytest.mark.parametrize(("hours", "is_written"), [(None, True), (0.9, False), (1.1, True)])
def test_it_is_written_once_an_hour(
    database_url: str, app: TestApp, keys: Keyring, hours: float | None, is_written: bool
) -> None:
    key = keys.key(Role.READER)
    before = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    with keys.store.engine.begin() as connection:
        connection.execute(sa.update(api_keys).values(last_used=before))
    using(app, key).get("/patients")
    after = last_used(keys)
    assert (after != before) == is_written
    with statements() as run:
        for process in (app, closed(database_url)):
            using(process, key).get("/patients")
    assert not any("UPDATE" in statement for statement in run)
    assert last_used(keys) == after


def test_wrong_and_ended_keys_are_not_used(app: TestApp, keys: Keyring) -> None:
    revoked = keys.key(Role.READER, revoked=True)
    for key in (revoked, forged(revoked[5:13])):
        using(app, key).get("/patients", status=401)
    assert last_used(keys) is None


def test_a_request_succeeds_if_the_use_cannot_be_noted_and_the_next_does_not_try_again(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys, app = Keyring(sqlite_url), closed(sqlite_url)
    reader = using(app, keys.key(Role.READER))
    with connect(sqlite_url) as connection:
        refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'no'); END"
        connection.exec_driver_sql(refuse)
    with statements() as run:
        for _ in range(3):
            assert reader.get("/patients").json == []
    assert sum("UPDATE" in statement for statement in run) == 1
    assert last_used(keys) is None
    assert "can't be noted: IntegrityError" in caplog.text
    keys.store.close()


def test_a_read_does_not_wait_for_a_sync_to_note_the_use_of_its_key(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 1e6)
    monkeypatch.setattr(security, "RETRY", timedelta())
    keys, app = Keyring(sqlite_url), closed(sqlite_url)
    reader = using(app, keys.key(Role.READER))
    with keys.store.engine.connect().execution_options(writing=True) as sync, sync.begin():
        assert reader.get("/patients").json == []
    assert last_used(keys) is None
    reader.get("/patients")
    assert last_used(keys) is not None
    keys.store.close()


@pytest.fixture
def app(database_url: str) -> TestApp:
    return closed(database_url)
