"""The cost of pages and syncs: their statements don't grow with the rows, and unchanged rows aren't written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from api import sent
from builders import patient, payment
from paymentagg.adapters.sql import schema, working_tables
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments
from paymentagg.adapters.sql.statistics import SqlStatistics
from paymentagg.domain.model import Model
from paymentagg.domain.money import AmountRange
from paymentagg.domain.queries import MAX_NAMES, Page, PatientQuery, PaymentQuery, SortKey
from paymentagg.domain.statistics import HistogramQuery
from practice import Practice
from stores import SqlStore


@pytest.mark.parametrize("rows", [1, 1000])
def test_a_page_is_one_statement_whatever_its_size(practice: Practice, store: SqlStore, rows: int) -> None:
    fill(practice, rows)
    with sent() as run, store.reading() as reader:
        reader.syncs.version()  # connects, which runs statements of its own
        for read in (
            lambda: reader.patients.page(PatientQuery(limit=rows)),
            lambda: reader.patients.page(PatientQuery(total=AmountRange(minimum=Decimal(0)), limit=rows)),
            lambda: reader.patients.get("1"),
            lambda: reader.patients.names(["1"] * min(rows, MAX_NAMES)),
            lambda: reader.patients.page(PatientQuery(words=("rick", "1"), limit=rows, count=True)),
            lambda: reader.payments.page(PaymentQuery(patient_id="1", limit=rows)),
            lambda: reader.payments.page(PaymentQuery(updated_since=practice.now, limit=rows, count=True)),
            lambda: reader.statistics.figures(),
            lambda: reader.statistics.days(date.min),
            lambda: reader.statistics.latest(rows),
            lambda: reader.syncs.page(limit=rows),
            lambda: reader.syncs.version(),
        ):
            run.clear()
            read()
            assert len(run) == 1


def test_a_page_costs_the_same_however_much_is_stored_by_sqlites_own_steps(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    practice = Practice(store)
    pages: list[PatientQuery | PaymentQuery] = [
        PatientQuery(total, sort, descending, limit=10)
        for total in (AmountRange(), AmountRange(minimum=Decimal("7.00")), AmountRange(maximum=Decimal("8.00")))
        for sort in SortKey
        for descending in (False, True)
    ]
    pages += [PaymentQuery(limit=10), PaymentQuery(patient_id="7", limit=10)]
    fill(practice, 200)
    few = [steps(store, query) for query in pages]
    fill(practice, 4_000)
    many = [steps(store, query) for query in pages]

    dear = [query for query, before, after in zip(pages, few, many, strict=True) if after > 1.2 * before + 50]
    assert dear == []
    store.close()


@pytest.mark.parametrize(
    ("total", "found"), [(AmountRange(Decimal(7), Decimal(8)), True), (AmountRange(minimum=Decimal(8)), False)]
)
def test_a_page_of_a_range_neither_sorts_everyone_nor_looks_for_nobody_by_sqlites_own_steps(
    sqlite_url: str, total: AmountRange, found: bool
) -> None:
    store = SqlStore(sqlite_url)
    rows = 2_000
    fill(Practice(store), rows)
    for sort in SortKey:
        if sort is not SortKey.ID:  # the ids in the range are sorted, which costs little
            query = PatientQuery(total, sort, limit=10)
            assert steps(store, query, found=found) <= rows
    store.close()


def test_figures_do_not_read_the_payments_and_read_each_total_a_few_times(sqlite_url: str) -> None:
    store = SqlStore(sqlite_url)
    practice = Practice(store)
    patients = 500
    practice.sync(
        patients=[patient(f"{n}") for n in range(patients)],
        payments=[payment(f"{n}", f"{n % patients}", f"{n % 97}") for n in range(20 * patients)],
    )
    with store.readers.connect() as connection:
        figures = SqlStatistics(connection)
        for read in (
            lambda: figures.figures(),
            lambda: figures.histogram(HistogramQuery(1)),
            lambda: figures.histogram(HistogramQuery(100)),
            lambda: figures.days(date.min),
        ):
            assert counted_steps(connection, read) <= 30 * patients
    store.close()


def test_a_histogram_is_read_again_if_a_sync_has_changed_totals_between_its_two_statements(
    practice: Practice, store: SqlStore
) -> None:
    fill(practice, 3)
    store.readers.connect().close()  # it runs statements of its own

    def change(number: int) -> None:
        if number == 2:
            fill(practice, 5, "100.00")

    with sent(change) as run, store.reading() as reader:
        page = reader.statistics.histogram(HistogramQuery(4))
        assert page.version == reader.syncs.version()
    assert [(str(each.start), each.count) for each in page.items] == [("100.00", 5)]
    assert sum("RECURSIVE" in statement for statement in run) == 2


@pytest.mark.parametrize("words", [("rick",), ("nobody",), ("rick", "deckard")])
def test_a_search_costs_a_scan_of_the_patients_whatever_its_order_and_page_by_sqlites_own_steps(
    sqlite_url: str, words: tuple[str, ...]
) -> None:
    store = SqlStore(sqlite_url)
    rows = 2_000
    fill(Practice(store), rows)
    for sort in SortKey:
        for total in (AmountRange(), AmountRange(minimum=Decimal("7.00"))):
            query = PatientQuery(total, sort, limit=10, words=words, count=True)
            assert steps(store, query, found="nobody" not in words) <= 100 * rows
    store.close()


def test_the_statements_of_a_sync_do_not_grow_with_its_rows(practice: Practice, store: SqlStore) -> None:
    def cost(rows: int, amount: str) -> int:
        with statements(store) as run:
            fill(practice, rows, amount)
        return len(run)

    cost(1, "1")  # connects, which runs statements of its own
    assert cost(10, "2") == cost(3_000, "3") <= 50


def test_disputes_cost_statements_by_the_batch_and_not_by_the_row(practice: Practice, store: SqlStore) -> None:
    fill(practice, 1)
    with statements(store) as run:
        practice.sync(payments=[payment(f"{n}", "nobody") for n in range(4_000)])
    assert len(run) <= 35


def test_a_merge_of_patients_costs_the_same_statements_however_many_payments_move(
    practice: Practice, store: SqlStore
) -> None:
    def cost(rows: int) -> int:
        fill(practice, rows)
        stay, go = range(rows // 2), range(rows // 2, rows)
        with statements(store) as run:
            report = practice.sync(
                patients=[patient(f"{n}") for n in stay],
                payments=[payment(f"{n}", f"{n}", "7.10") for n in stay] + [payment(f"{n}", "0", "7.10") for n in go],
            )
        assert (report.models[Model.PAYMENT].updated, report.models[Model.PAYMENT].deleted) == (len(go), 0)
        return len(run)

    assert cost(10) == cost(3_000) <= 55


def test_an_undo_costs_the_same_statements_however_many_rows_it_takes_back(practice: Practice, store: SqlStore) -> None:
    def cost(rows: int) -> int:
        fill(practice, rows)
        done = practice.sync(
            patients=[patient(f"{n}", first_name="Roy") for n in range(rows // 2)],
            payments=[payment(f"{n}", "0", "7.20") for n in range(rows // 2)] + [payment("new", "0")],
        )
        with statements(store) as run:
            practice.undo(done.id)
        return len(run)

    cost(10)  # connects, which runs statements of its own
    assert cost(10) == cost(3_000) <= 30


def test_a_first_load_and_the_same_again_write_no_history(practice: Practice, store: SqlStore) -> None:
    with statements(store) as run:
        for _ in range(2):
            practice.sync(patients=[patient("5")], payments=[payment("1")])
    assert [statement for statement in run if "row_changes" in statement] == []


def test_the_same_snapshot_again_writes_no_row_by_postgresqls_own_statistics(new_postgres_url: str) -> None:
    # A database that no other test has used: PostgreSQL counts with a delay what earlier connections have written.
    store = SqlStore(new_postgres_url)
    schema.upgrade(store.engine)
    practice = Practice(store)
    fill(practice, 100)
    before = written(store)
    assert before["payments"] >= 100
    report = practice.sync(
        patients=[patient(f"{n}") for n in reversed(range(100))],
        payments=[payment(f"{n}", f"{n}", "7.100") for n in reversed(range(100))],
    )
    assert not report.changed
    assert written(store) == before
    store.close()


def test_working_tables_are_empty_between_syncs(practice: Practice, store: SqlStore) -> None:
    practice.sync(patients=[patient("5")], payments=[payment("1"), payment("1"), payment("2", "nobody")])
    with store.engine.connect() as connection:  # on SQLite they belong to the pool's only connection
        tables = list(working_tables.metadata.tables)
        if store.engine.dialect.name == "sqlite":
            tables += working_tables.temporary.tables
        for table in tables:
            assert connection.scalar(sa.text(f"SELECT count(*) FROM {table}")) == 0, table


def written(store: SqlStore) -> dict[str, int]:
    """Return how many rows PostgreSQL has ever inserted, updated or deleted, by table."""
    statistics = sa.text(
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS written FROM pg_stat_user_tables"
        " WHERE relname IN ('patients', 'payments', 'payment_totals', 'row_changes')"
    )
    with store.engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_force_next_flush()"))
        connection.commit()
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        return {row.relname: row.written for row in connection.execute(statistics)}


def steps(store: SqlStore, query: PatientQuery | PaymentQuery, *, found: bool = True) -> int:
    """Return how many instructions of its virtual machine SQLite executes for a page; ``found``: it has rows."""
    pages: list[Page[Any]] = []
    with store.readers.connect() as connection:
        if isinstance(query, PatientQuery):
            taken = counted_steps(connection, lambda: pages.append(SqlPatients(connection).page(query)))
        else:
            taken = counted_steps(connection, lambda: pages.append(SqlPayments(connection).page(query)))
    assert bool(pages[0].items) is found
    return taken


def counted_steps(connection: sa.Connection, read: Callable[[], object]) -> int:
    """Return how many instructions of its virtual machine SQLite executes for a read."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 1)
    read()
    driver.set_progress_handler(None, 1)
    return taken


def fill(practice: Practice, rows: int, amount: str = "7.10") -> None:
    practice.sync(
        patients=[patient(f"{n}") for n in range(rows)],
        payments=[payment(f"{n}", f"{n}", amount) for n in range(rows)],
    )


@contextmanager
def statements(store: SqlStore) -> Iterator[list[str]]:
    """Yield a list to which each statement of the store is added."""
    run: list[str] = []

    def note(*arguments: object) -> None:
        run.append(str(arguments[2]))

    for engine in (store.engine, store.readers):
        sa.event.listen(engine, "before_cursor_execute", note)
    yield run
    for engine in (store.engine, store.readers):
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def practice(store: SqlStore) -> Practice:
    return Practice(store)
