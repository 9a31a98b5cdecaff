"""Damage done by hand in SQL is found and named, on both engines; nothing is found in an undamaged store."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from builders import batch, patient, payment, rejection
from damage import DAMAGE, Damage
from paymentagg.adapters.sql.verification.comparison import ComparisonStorage
from paymentagg.adapters.sql.verification.state import SqlVerification
from paymentagg.adapters.sql.wiring import connect
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.model import Model
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from paymentagg.domain.verification import Check, Finding, Verified
from practice import Given, Practice
from stores import SqlStore

CASES = [
    (engine, name) for name, damage in DAMAGE.items() for engine in ("sqlite", "postgresql") if damage.script(engine)
]


@pytest.mark.parametrize(("engine", "name"), CASES)
def test_damage_is_found_and_named(engine: str, name: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue(f"{engine}_url")
    fill(url)
    damage = DAMAGE[name]
    expected = set(damage.checks)
    if damage.constraint is not None:
        expected.add(Check.STRUCTURE if engine == "sqlite" else Check.SCHEMA)

    found = damaged_sqlite(url, damage) if engine == "sqlite" else damaged_postgresql(url, damage)

    assert {finding.check for finding in found} == expected


def test_an_undamaged_store_has_no_findings(database_url: str) -> None:
    fill(database_url)
    assert findings(database_url) == []


def test_a_history_that_was_pruned_or_erased_is_not_damaged(database_url: str) -> None:
    fill(database_url)
    store = SqlStore(database_url)
    practice = Practice(store)
    practice.sync(patients=[patient("5", first_name="Rachael"), patient("9")])  # the payments of 8 go too
    practice.sync(payments=[payment("502", "9", "1.00"), payment("601", "9", "3.00")])
    practice.sync(patients=[patient("9", first_name="Leon")])
    with store.retention() as retention:
        assert retention.forget("5").changes == 4
    assert findings(database_url) == []

    with store.retention() as retention:
        retention.prune(practice.now)
    assert findings(database_url) == []

    with store.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM row_changes WHERE external_id = '8'"))
    assert {finding.check for finding in findings(database_url)} == {Check.HISTORY_COUNT}
    store.close()


def test_an_undone_first_load_of_which_a_patient_is_forgotten_is_not_damaged(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    practice = Practice(store)
    people = [patient(str(number)) for number in range(10_000)]  # too many to be kept, unlike the payments
    practice.undo(practice.sync(patients=people, payments=[payment("1", "5"), payment("2", "6")]).id)
    with store.retention() as retention:
        assert retention.forget("5").changes == 1
    assert findings(sqlite_url) == []
    store.close()


def test_an_index_that_lacks_an_entry_is_found(sqlite_url: str) -> None:
    fill(sqlite_url)
    name = "ix_payments_patient_id_id"
    with closing(opened(sqlite_url)) as connection:
        (entry,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name]).fetchone()
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [f"{entry} WHERE id < 0", name])
        connection.commit()
    with closing(opened(sqlite_url)) as connection:
        connection.execute("DELETE FROM payments WHERE external_id = '601'")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [entry, name])
        connection.commit()

    assert Check.INDEX in {finding.check for finding in findings(sqlite_url)}


def test_rows_left_in_a_working_table_are_found_unless_a_sync_is_using_it(postgresql_url: str) -> None:
    fill(postgresql_url)
    engine = connect(sa.make_url(postgresql_url))
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO disputed_ids VALUES ('5')"))
    assert findings(postgresql_url) == [Finding(Check.WORKING_TABLES, "table disputed_ids")]

    with engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE disputed_ids"))
        assert findings(postgresql_url) == []
    engine.dispose()


def test_all_checks_see_one_state_whatever_is_synced_meanwhile(database_url: str) -> None:
    fill(database_url)
    store, other = SqlStore(database_url), SqlStore(database_url)
    meanwhile = Practice(other)
    meanwhile.now += timedelta(days=1)
    with store.verification() as verification:
        before = verification.verified()
        meanwhile.sync(patients=[patient("5"), patient("new")], payments=[payment("501", "new"), payment("new")])
        assert list(verification.findings()) == []
        terms = Terms(DeletionLimit.parse("100%"), dry_run=True, force=True)
        empty = Snapshots(Given(batch([])), Given(batch([])))
        report = synchronize(verification.storage(), empty, terms, meanwhile.clock)
    assert [part.deleted for part in report.models.values()] == [before.patients, before.payments] == [4, 3]
    with store.verification() as verification:
        assert verification.verified() == Verified(2, 2, before.syncs + 1)
    store.close()
    other.close()


def fill(url: str) -> None:
    """Fill an empty database by three syncs, in which rows were created, updated, deleted and rejected."""
    store = SqlStore(url)
    practice = Practice(store)
    people = [patient("5"), patient("8", first_name="Roy"), patient("9"), patient("15", last_name="Müller")]
    first = [payment("501"), payment("502", amount="1.00"), payment("503", "8"), payment("601", "9", "2.00")]
    practice.sync(patients=people, payments=first)
    people[0] = patient("5", first_name="Rachael")
    second = [payment("501", "5", "4.46"), *first[1:2], first[3]]
    second[0] = payment("501", "8", "4.46")
    practice.sync(patients=people, payments=[*second, rejection(9, "701", model=Model.PAYMENT)])
    practice.sync(payments=[payment("501", "8", "7.00"), *second[1:]])
    with store.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO rejections (sync_id, model, row, code) VALUES (2, 'payment', 9, 'blank')"
                " ON CONFLICT DO NOTHING"
            )
        )
    store.close()


def findings(url: str) -> list[Finding]:
    """Return all findings, as the application finds them."""
    store = SqlStore(url)
    with store.verification() as verification:
        found = list(verification.findings())
    store.close()
    return found


def damaged_sqlite(url: str, damage: Damage) -> list[Finding]:
    """Damage an SQLite file, and return the findings."""
    with closing(opened(url)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executescript(damage.script("sqlite") or "")
        connection.commit()
    return findings(url)


def damaged_postgresql(url: str, damage: Damage) -> list[Finding]:
    """Damage a PostgreSQL database in a transaction, return its findings in the same, and roll it back."""
    engine = connect(sa.make_url(url))
    with engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))  # no foreign keys
        if damage.constraint is not None:
            table, name = damage.constraint
            connection.execute(sa.text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}"))
        connection.exec_driver_sql(damage.script("postgresql") or "")
        found = list(SqlVerification(connection, list, never).findings())
        connection.rollback()
    engine.dispose()
    return found


def never() -> ComparisonStorage:
    raise AssertionError("no files are compared")


def opened(url: str) -> sqlite3.Connection:
    """Open an SQLite file without foreign keys."""
    return sqlite3.connect(Path(sa.make_url(url).database or ""))
