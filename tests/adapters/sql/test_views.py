"""The views for analysts: exact decimals, filters by an index, and a role that reads these views alone."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from builders import patient, payment
from paymentagg.adapters.sql.views import VIEWS
from paymentagg.domain.errors import StorageUnavailable
from practice import Practice
from roles import roles
from stores import SqlStore

AMOUNTS = {"1": "0.10", "2": "-0.05", "3": "-9999999999.99", "4": "9999999999.99", "5": "0", "6": "-12.5", "7": "7.1"}


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """Two patients, one with payments of all kinds."""
    with closing(SqlStore(database_url)) as store:
        Practice(store).sync(
            patients=[patient("5", middle_name="R.", date_of_birth=date(2094, 2, 1)), patient("8")],
            payments=[payment(external_id, "5", amount) for external_id, amount in AMOUNTS.items()],
        )
        yield store


def rows(store: SqlStore, statement: str) -> list[dict[str, Any]]:
    with store.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text(statement)).mappings()]


def test_they_have_the_columns_that_the_code_knows(store: SqlStore) -> None:
    inspector = sa.inspect(store.engine)
    found = {name: tuple(each["name"] for each in inspector.get_columns(name)) for name in inspector.get_view_names()}
    assert found == VIEWS


def test_amounts_are_exact_with_two_decimals(store: SqlStore) -> None:
    found = rows(store, "SELECT * FROM payments_decimal ORDER BY external_id")
    kind = str if store.engine.dialect.name == "sqlite" else Decimal
    assert {row["external_id"]: row["amount"] for row in found} == {
        external_id: kind(str(Decimal(amount).quantize(Decimal("0.01")))) for external_id, amount in AMOUNTS.items()
    }
    assert [str(row["amount"])[-3] for row in found] == ["."] * len(AMOUNTS)
    assert [row["amount_cents"] for row in found] == [Decimal(amount) * 100 for amount in AMOUNTS.values()]
    assert {row["patient_external_id"] for row in found} == {"5"}


def test_patients_have_their_totals_and_those_without_payments_have_zero(store: SqlStore) -> None:
    found = rows(store, "SELECT * FROM patients_with_totals ORDER BY external_id")
    zero, total = ("0.00", "-5.35") if store.engine.dialect.name == "sqlite" else (Decimal("0.00"), Decimal("-5.35"))
    assert [(row["payment_total"], row["payment_total_cents"], row["payment_count"]) for row in found] == [
        (total, -535, 7),
        (zero, 0, 0),
    ]
    assert [found[0][name] for name in ("first_name", "middle_name", "last_name")] == ["Rick", "R.", "Deckard"]
    assert str(found[0]["date_of_birth"]) == "2094-02-01"


def test_a_total_may_be_larger_than_any_payment(store: SqlStore) -> None:
    many = [payment(f"n{number}", "8", "9999999999.99") for number in range(30)]
    Practice(store).sync(payments=many)
    (found,) = rows(store, "SELECT * FROM patients_with_totals WHERE external_id = '8'")
    assert str(found["payment_total"]) == "299999999999.70"


def test_a_filter_by_total_and_one_by_patient_use_an_index(store: SqlStore) -> None:
    explain = "EXPLAIN QUERY PLAN" if store.engine.dialect.name == "sqlite" else "EXPLAIN"
    for condition, index in {
        "patients_with_totals WHERE payment_total_cents BETWEEN 1000 AND 2000": "ix_payment_totals_total_cents",
        "patients_with_totals WHERE external_id = '5'": "ix_patients_external_id",
        "payments_decimal WHERE patient_external_id = '5'": "ix_payments_patient_id_id",
    }.items():
        with store.engine.connect() as connection:
            if store.engine.dialect.name == "postgresql":  # a few rows are read faster without an index
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = connection.exec_driver_sql(f"{explain} SELECT * FROM {condition}").all()
        assert index in str(plan)


def test_analysts_read_the_views_and_nothing_else(postgresql_url: str) -> None:
    with closing(SqlStore(postgresql_url)) as store:
        Practice(store).sync(patients=[patient("5")], payments=[payment("1", "5", "7.1")])
    with roles(postgresql_url, times=2) as names:
        url = sa.make_url(postgresql_url).set(username=names.reader, password="secret")
        with closing(SqlStore(url.render_as_string(hide_password=False))) as store:
            for view in VIEWS:
                assert len(rows(store, f"SELECT * FROM {view}")) == 1
            for table in sa.inspect(store.engine).get_table_names():
                with pytest.raises(StorageUnavailable, match="lacks a privilege"):
                    rows(store, f"SELECT 1 FROM {table}")
            with pytest.raises(StorageUnavailable, match="lacks a privilege"):
                rows(store, "SET default_transaction_read_only = off; CREATE TABLE mine (id int)")


def test_an_analysts_session_writes_nothing_and_ends_what_takes_too_long(postgresql_url: str) -> None:
    with roles(postgresql_url) as names:
        url = sa.make_url(postgresql_url).set(username=names.reader, password="secret")
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            shown = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in (
                    "default_transaction_read_only",
                    "statement_timeout",
                    "idle_in_transaction_session_timeout",
                    "log_statement",
                    "log_min_error_statement",
                )
            }
    assert list(shown.values()) == ["on", "1min", "1min", "none", "panic"]
