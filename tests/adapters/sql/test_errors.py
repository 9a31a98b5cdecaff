"""Errors of the drivers become errors of the domain, wherever they occur, with no data in their messages."""

import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyramid.paster import get_app

import postgres
from builders import batch, patient, payment
from kept import history, rows
from paymentagg.adapters.sql.engines import postgresql
from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.repositories import SqlPayments
from paymentagg.adapters.sql.schema import REVISION
from paymentagg.adapters.sql.wiring import connect, database_url
from paymentagg.domain.batches import Batch
from paymentagg.domain.errors import InvalidParameter, StorageUnavailable
from paymentagg.domain.model import Patient
from paymentagg.domain.queries import PatientQuery, PaymentQuery
from practice import Practice
from project import PROJECT
from server import until
from stores import SqlStore


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable, match="PostgreSQL"):
        connect(sa.make_url("postgresql://nobody@127.0.0.1:1/none")).connect()


def test_a_database_without_the_schema_says_how_to_migrate(postgres_server: sa.URL, tmp_path: Path) -> None:
    for url in (postgres_server.render_as_string(hide_password=False), f"sqlite:///{tmp_path / 'empty.sqlite'}"):
        store = SqlStore(url)
        with pytest.raises(StorageUnavailable, match=r"alembic -c \w+\.ini upgrade head"):
            Practice(store).sync(patients=[patient()])
        with store.reading() as reader, pytest.raises(StorageUnavailable, match="upgrade head"):
            reader.patients.page(PatientQuery())
        store.close()


def test_a_schema_of_another_revision_says_how_to_migrate(store: SqlStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(StorageUnavailable, match="revision 0000"):
        Practice(store).sync(patients=[patient()])
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :newest"), {"newest": REVISION})


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "paymentagg.sqlite"
    file.write_text("not a database, but long enough to have a header" * 10)
    with pytest.raises(StorageUnavailable, match="SQLITE_NOTADB"):
        connect(sa.make_url(f"sqlite:///{file}")).connect()


def test_a_backend_that_is_terminated_is_unavailable_and_the_next_connection_works(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    practice = Practice(store)
    with store.transaction() as storage:
        storage.lock()
        terminate_others(postgresql_url)
        with pytest.raises(StorageUnavailable):
            storage.patients.stage([])
        storage.discard()
    practice.sync(patients=[patient()])
    assert set(practice.patients) == {"5"}
    store.close()


def test_a_reader_whose_backend_is_terminated_is_unavailable_and_can_go_on(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    with store.reading() as reader:
        assert reader.syncs.version() == "0"
        terminate_others(postgresql_url)
        with pytest.raises(StorageUnavailable):
            reader.syncs.version()
        assert reader.syncs.version() == "0"
    store.close()


def test_a_page_of_a_locked_table_is_given_up(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    with store.engine.begin() as load, store.readers.connect() as connection:
        load.execute(sa.text("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE"))
        connection.execute(sa.text("SET lock_timeout = 1"))
        with pytest.raises(StorageUnavailable, match="has locked a table"):
            SqlPayments(connection).page(PaymentQuery())
    store.close()


@pytest.mark.parametrize("batches_before", [0, 1, 2])
@pytest.mark.parametrize("rows", [1, 20_000])
def test_a_backend_that_is_terminated_during_copy_is_unavailable_and_nothing_is_printed(
    postgresql_url: str, capfd: pytest.CaptureFixture[str], batches_before: int, rows: int
) -> None:
    store = SqlStore(postgresql_url)
    hook = sys.excepthook

    def batches() -> Iterator[Batch[Patient]]:
        for number in range(2):
            if number == batches_before:
                terminate_others(postgresql_url)
            assert sys.excepthook is hook  # other threads share it
            yield batch([patient(f"{number} {row}") for row in range(rows)])
        if batches_before == 2:
            terminate_others(postgresql_url)

    def stage() -> None:
        with store.transaction() as storage:
            storage.lock()
            storage.patients.stage(batches())

    with pytest.raises(StorageUnavailable, match="can't be reached"):
        stage()
    store.close()
    assert capfd.readouterr() == ("", "")


def test_connections_that_the_server_has_closed_while_nobody_used_them_are_replaced(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    practice = Practice(store)
    for name in ("Rick", "Roy"):
        practice.sync(patients=[patient(first_name=name)])
        assert practice.patients["5"].first_name == name
        terminate_others(postgresql_url)
    store.close()


def terminate_others(url: str) -> None:
    """End all other connections to the database, and wait until they are gone."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    engine.dispose()


def test_a_statement_that_takes_too_long_is_given_up(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    with store.readers.connect() as connection:
        connection.execute(sa.text("SET statement_timeout = 1"))
        with pytest.raises(StorageUnavailable, match="took too long"):
            connection.execute(sa.text("SELECT pg_sleep(60)"))
    store.close()


def test_reads_may_take_seconds_exports_a_minute_and_syncs_an_hour(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)
    limit = sa.text("SHOW statement_timeout")
    export = store.export()
    assert isinstance(export, SqlExport)
    assert export.connection.scalar(limit) == "1min"
    export.close()
    with store.readers.connect() as reading, store.engine.connect() as writing:
        assert (reading.scalar(limit), writing.scalar(limit)) == ("5s", "1h")
    store.close()


def test_a_statement_ends_when_its_client_was_killed(postgresql_url: str) -> None:
    code = "import sys; from sqlalchemy import make_url, text; from paymentagg.adapters.sql.wiring import connect\n"
    code += "connect(make_url(sys.argv[1])).connect().execute(text('SELECT pg_advisory_lock(1), pg_sleep(600)'))"
    with postgres.connect(postgresql_url) as connection:
        held = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted")
        with subprocess.Popen([sys.executable, "-c", code, postgresql_url]) as client:
            until(lambda: connection.scalar(held) == 1)
            client.kill()
        until(lambda: connection.scalar(held) == 0)


def test_a_pool_that_is_used_up_is_unavailable(postgresql_url: str) -> None:
    engine = postgresql.connect(sa.make_url(postgresql_url), read_only=True)
    engine.pool._timeout = 0  # type: ignore[attr-defined]  # instead of five seconds
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(engine.connect())
        with pytest.raises(StorageUnavailable, match="in use"):
            engine.connect()
    engine.dispose()


def test_an_error_of_our_own_stays_what_it_is(store: SqlStore) -> None:
    with store.engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text("INSERT INTO payment_totals VALUES (99, 0, -1)"))


@pytest.mark.parametrize(
    "url",
    ["mysql://localhost/x", "nonsense", "sqlite://", "sqlite:///:memory:"],
)
def test_a_url_that_paymentagg_cannot_use_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("PAYMENTAGG_DATABASE_URL", raising=False)
    with pytest.raises(InvalidParameter, match=r"sqlalchemy\.url"):
        database_url({"sqlalchemy.url": url})
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", url)
    with pytest.raises(InvalidParameter, match="PAYMENTAGG_DATABASE_URL"):
        database_url({})


@pytest.mark.parametrize("port", ["abc", "5432x", "0x15", "-1", "0", "65536", "9" * 20, "pa:5432"])
def test_a_url_with_a_wrong_port_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("PAYMENTAGG_DATABASE_URL", f"postgresql://me:s3cret@host:{port}/db")
    with pytest.raises(
        InvalidParameter, match=r"^PAYMENTAGG_DATABASE_URL: must have a port from 1 to 65535"
    ) as refused:
        database_url({})
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_production_does_not_start_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAYMENTAGG_DATABASE_URL", raising=False)
    production = PROJECT / "production.ini"
    with pytest.raises(InvalidParameter, match="PAYMENTAGG_DATABASE_URL"):
        get_app(str(production))


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


class Fault(Exception):
    """A statement that isn't run."""


def test_an_undo_is_whole_or_absent_whichever_statement_fails(database_url: str) -> None:
    store = SqlStore(database_url)
    practice = Practice(store)
    practice.sync(patients=[patient("5"), patient("6")], payments=[payment("1", "5"), payment("2", "6")])
    done = practice.sync(patients=[patient("5", first_name="Roy"), patient("7")], payments=[payment("1", "7")])
    before = (practice.answers(), rows(store), history(store))
    for number in count(1):
        with suppress(Fault), failing(store.engine, number):
            practice.undo(done.id)
            break
        assert (practice.answers(), rows(store), history(store)) == before
    assert number > 10
    assert len(practice.patients) == 2
    store.close()


@contextmanager
def failing(engine: sa.Engine, number: int) -> Iterator[None]:
    """Let the statement with this number fail, counted from 1."""
    left = iter(range(1, number))

    def run(*_: object) -> None:
        if next(left, None) is None:
            raise Fault

    sa.event.listen(engine, "before_cursor_execute", run)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", run)
