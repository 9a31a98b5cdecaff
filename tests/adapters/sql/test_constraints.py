"""The database's own constraints refuse the values that the domain rejects."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

NOW = "2026-01-01 00:00:00"
PATIENT: dict[str, object] = {
    "external_id": "6",
    "first_name": "Roy",
    "last_name": "Batty",
    "created": NOW,
    "updated": NOW,
}
PAYMENT: dict[str, object] = {
    "external_id": "601",
    "patient_id": 1,
    "amount_cents": 446,
    "created": NOW,
    "updated": NOW,
}

BAD_PATIENTS = [
    {"external_id": None},
    {"external_id": ""},
    {"external_id": " 6"},
    {"external_id": "6" * 251},
    {"external_id": "5"},  # stored already
    {"first_name": None},
    {"first_name": "  "},
    {"first_name": "R" * 251},
    {"last_name": None},
    {"last_name": ""},
    {"last_name": "B" * 251},
    {"middle_name": ""},
    {"middle_name": "M" * 251},
    {"date_of_birth": "2023-02-29"},
    {"date_of_birth": "10000-01-01"},
    {"created": None},
    {"updated": None},
]
BAD_PAYMENTS = [
    {"external_id": None},
    {"external_id": ""},
    {"external_id": "501"},  # stored already
    {"patient_id": None},
    {"patient_id": 2},
    {"amount_cents": None},
    {"amount_cents": 1_000_000_000_000},
    {"amount_cents": -1_000_000_000_000},
]
BAD_TOTALS = [
    {"patient_id": 2, "total_cents": 0, "payment_count": 0},  # no such patient
    {"patient_id": 1, "total_cents": 1, "payment_count": 0},
    {"patient_id": 1, "total_cents": 0, "payment_count": -1},
]


@pytest.mark.parametrize("bad", BAD_PATIENTS)
def test_a_bad_patient_is_refused(connection: sa.Connection, bad: dict[str, object]) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        insert(connection, "patients", PATIENT | bad)


@pytest.mark.parametrize("bad", BAD_PAYMENTS)
def test_a_bad_payment_is_refused(connection: sa.Connection, bad: dict[str, object]) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        insert(connection, "payments", PAYMENT | bad)


@pytest.mark.parametrize("bad", BAD_TOTALS)
def test_a_bad_total_is_refused(connection: sa.Connection, bad: dict[str, object]) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        insert(connection, "payment_totals", bad)


def test_good_rows_are_taken(connection: sa.Connection) -> None:
    insert(connection, "patients", PATIENT | {"middle_name": "M" * 250, "date_of_birth": "0001-01-01"})
    insert(connection, "payments", PAYMENT | {"amount_cents": -999_999_999_999})
    insert(connection, "payment_totals", {"patient_id": 1, "total_cents": -446, "payment_count": 1})


@pytest.mark.parametrize("statement", ["DELETE FROM patients", "UPDATE payments SET patient_id = 99"])
def test_a_payment_never_loses_its_patient(connection: sa.Connection, statement: str) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(statement))


@pytest.mark.parametrize("amount", [4.46, "4.46", "x"])
def test_sqlite_takes_whole_cents_only(sqlite_url: str, amount: object) -> None:
    with prepared(sqlite_url) as connection, pytest.raises(sa.exc.IntegrityError):
        insert(connection, "payments", PAYMENT | {"amount_cents": amount})


def insert(connection: sa.Connection, table: str, values: dict[str, object]) -> None:
    names = ", ".join(values)
    places = ", ".join(f":{name}" for name in values)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)


def prepared(url: str) -> sa.Connection:
    """Return a connection to a database with patient 1, whose external id is 5, and their payment 501."""
    from paymentagg.adapters.sql.wiring import connect

    connection = connect(sa.make_url(url)).connect()
    insert(connection, "patients", PATIENT | {"external_id": "5"})
    insert(connection, "payments", PAYMENT | {"external_id": "501"})
    return connection


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    with prepared(database_url) as connection:
        yield connection
        connection.rollback()
        connection.engine.dispose()
