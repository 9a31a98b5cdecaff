"""The limit on wrong keys is one for all processes: here each is an application of its own, on the same database."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import sent
from keyring import Keyring, closed, forged, keyrings, using
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.tables import wrong_keys
from paymentagg.domain import api_keys
from paymentagg.domain.access import Role
from paymentagg.entrypoints.http import rate_limit
from paymentagg.entrypoints.http.rate_limit import WRONG_KEYS
from postgres import NORTH, SOUTH
from visitor import Visitor, text


@pytest.fixture(autouse=True)
def _long_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "WINDOW", 3600.0)  # long enough for any machine


@pytest.fixture
def processes(database_url: str) -> list[TestApp]:
    return [closed(database_url) for _ in range(4)]


@pytest.fixture
def practices(practices_url: str) -> Iterator[dict[str, Keyring]]:
    """Creates keys, by practice."""
    with keyrings(practices_url) as made:
        yield made


def tried(process: TestApp, key: str | None = None, address: str = "192.0.2.1") -> int:
    """Send a key, a wrong one if none is given; return the status."""
    return using(process, key or forged(), address=address).get("/patients", status="*").status_int


def test_an_address_may_send_as_many_wrong_keys_to_all_processes_as_to_one(
    processes: list[TestApp], keys: Keyring
) -> None:
    assert [tried(processes[n % 4]) for n in range(WRONG_KEYS)] == [401] * WRONG_KEYS
    for process in processes:
        response = using(process, forged()).get("/patients", status=429)
        assert 3500 < int(response.headers["Retry-After"]) <= 3600
        assert tried(process, keys.key(Role.READER)) == 200
        assert tried(process, address="192.0.2.2") == 401


def test_the_sign_in_has_the_same_limit(processes: list[TestApp]) -> None:
    for _ in range(WRONG_KEYS):
        tried(processes[0], address="192.0.2.9")
    assert "Too many wrong keys" in text(Visitor(processes[1], address="192.0.2.9").sign_in(forged(), 429))


def test_a_refused_address_a_right_key_and_a_text_that_is_no_key_need_no_count(
    processes: list[TestApp], keys: Keyring
) -> None:
    process, right = processes[0], keys.key(Role.READER)
    tried(process, right)  # its use is noted
    with sent() as run:
        assert (tried(process, right), tried(process, "pagg_x")) == (200, 401)
    assert not any("wrong_keys" in statement for statement in run)
    while tried(process) == 401:
        pass
    with sent() as run:
        assert tried(process) == 429
    assert not any("wrong_keys" in statement for statement in run)


def test_a_wrong_key_does_not_wait_for_a_sync(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 1e6)
    keys, process = Keyring(sqlite_url), closed(sqlite_url)
    with keys.store.engine.connect().execution_options(writing=True) as sync, sync.begin():
        assert [tried(process) for _ in range(WRONG_KEYS + 1)] == [401] * WRONG_KEYS + [429]
    assert count(keys.store.readers) == {}
    keys.store.close()


def test_a_wrong_key_is_refused_all_the_same_if_it_cannot_be_counted_and_the_log_says_so_once(
    processes: list[TestApp], keys: Keyring, caplog: pytest.LogCaptureFixture
) -> None:
    with keys.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE wrong_keys RENAME TO gone")
    try:
        with sent() as run:
            statuses = [tried(processes[0]) for _ in range(WRONG_KEYS + 1)]
    finally:
        with keys.store.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO wrong_keys")
    assert statuses == [401] * WRONG_KEYS + [429]
    assert sum("INTO wrong_keys" in statement for statement in run) <= 1
    assert caplog.text.count("wrong keys can't be counted for all processes") == 1


def test_wrong_keys_of_all_practices_count_together_whether_or_not_they_exist(
    practices_url: str, practices: dict[str, Keyring]
) -> None:
    processes = [closed(practices_url, practices="many") for _ in range(4)]
    names = (NORTH, "nowhere", SOUTH, "elsewhere")
    assert [tried(processes[n % 4], naming(names[n // 5])) for n in range(WRONG_KEYS)] == [401] * WRONG_KEYS
    for process, name in zip(processes, names, strict=True):
        assert tried(process, naming(name)) == 429
        assert tried(process, practices[NORTH].key(Role.READER)) == 200


def test_a_wrong_key_of_a_practice_takes_the_same_statements_whether_or_not_it_exists(practices_url: str) -> None:
    process = closed(practices_url, practices="many")
    tried(process, naming(NORTH))  # opens the connection
    runs = set()
    for name in (NORTH, "nowhere"):
        with sent() as run:
            assert tried(process, naming(name)) == 401
        assert any("INTO wrong_keys" in statement for statement in run)
        runs.add(tuple(statement.replace(name, "") for statement in run))
    assert len(runs) == 1


def test_a_database_without_the_schema_for_the_counts_says_what_to_run(
    new_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert tried(closed(new_postgres_url, practices="many"), naming(NORTH)) == 401
    assert "is missing or old; run: paymentagg-practices migrate" in caplog.text


def naming(practice: str) -> str:
    """Return a key of a practice that was never issued."""
    text = f"pagg_{practice}.{forged()[5:-6]}"
    return text + api_keys.checksum(text)


def count(readers: sa.Engine) -> dict[str, int]:
    """Return the stored counts by address."""
    with readers.connect() as connection:
        return {row.address: row.wrong for row in connection.execute(sa.select(wrong_keys))}
