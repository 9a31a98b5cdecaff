"""Many practices in one PostgreSQL database: each sees its own rows alone, over connections that all share."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, event

from builders import patient, payment
from paymentagg.adapters.sql.wiring import SqlDatabase
from paymentagg.domain.errors import PracticeNotFound, StorageUnavailable
from paymentagg.domain.queries import PatientQuery
from paymentagg.entrypoints.transactions import committed
from postgres import NORTH, SOUTH, connect
from practice import Practice
from stores import SqlStore


@pytest.fixture
def database(practices_url: str) -> Iterator[SqlDatabase]:
    """The database of all practices, with one patient in NORTH and another in SOUTH."""
    for name, person in ((NORTH, "1"), (SOUTH, "2")):
        with closing(SqlStore(practices_url, practice=name)) as store:
            Practice(store).sync(patients=[patient(person)], payments=[payment("9", person)])
    database = SqlDatabase(sa.make_url(practices_url), many=True)
    yield database
    database.writers.dispose()
    database.readers.dispose()


def stored(database: SqlDatabase) -> list[str]:
    """Return the external ids of the patients in the database of a practice."""
    with closing(database.reader()) as reader:
        return [each.external_id for each in reader.patients.page(PatientQuery(limit=10)).items]


def paths(engine: Engine) -> set[str]:
    """Return the search paths of all connections that wait in a pool."""
    waiting = [engine.pool.connect() for _ in range(engine.pool.checkedin())]  # type: ignore[attr-defined]
    found = set()
    for connection in waiting:
        cursor: Any = connection.cursor()
        cursor.execute("SHOW search_path")
        found.add(cursor.fetchone()[0])
    for connection in waiting:
        connection.close()
    return found


def test_readers_see_one_practice_whatever_the_connection_was_used_for_before(database: SqlDatabase) -> None:
    north, south = database.of(NORTH), database.of(SOUTH)
    assert [stored(each) for each in (north, south, south, north)] == [["1"], ["2"], ["2"], ["1"]]


def test_exports_and_checks_see_one_practice(database: SqlDatabase) -> None:
    for name, person in ((SOUTH, "2"), (NORTH, "1")):
        one = database.of(name)
        with closing(one.export()) as export:
            rows = [row.external_id for rows in export.patients(PatientQuery()) for row in rows]
        with committed() as manager:
            manager.doom()
            verification = one.verification(manager)
            assert list(verification.findings()) == []
            assert (rows, verification.verified().patients) == ([person], 1)


def test_writers_change_one_practice_after_a_rollback_too(practices_url: str, database: SqlDatabase) -> None:
    store = SqlStore(practices_url, practice=SOUTH)
    practice = Practice(store)
    practice.sync(patients=[patient("3")], dry_run=True)
    practice.sync(patients=[patient("4")])
    store.close()
    assert (stored(database.of(NORTH)), stored(database.of(SOUTH))) == (["1"], ["4"])


def test_nothing_is_left_of_a_practice_when_a_connection_is_returned(database: SqlDatabase) -> None:
    south = database.of(SOUTH)
    with closing(south.export()) as export:
        stored(south)
        next(export.patients(PatientQuery()))
    with committed() as manager:
        south.sessions(manager)
        manager.doom()
    with south.writers.connect() as connection:
        connection.execute(sa.text("CREATE TEMPORARY TABLE gone (id int) ON COMMIT DROP"))
        with pytest.raises(StorageUnavailable):
            connection.execute(sa.text("SELECT * FROM missing"))
    assert database.readers.pool.checkedin() == 2  # type: ignore[attr-defined]
    assert (paths(database.readers), paths(database.writers)) == ({'""'}, {'""'})


def test_a_connection_that_was_given_to_no_practice_finds_no_table(database: SqlDatabase) -> None:
    for engine in (database.readers, database.writers):
        for _ in range(2):
            with engine.connect() as connection, pytest.raises(StorageUnavailable):
                connection.execute(sa.text("SELECT * FROM patients"))
            stored(database.of(NORTH))


def test_it_finds_no_table_of_the_schema_public_either(practices_url: str, database: SqlDatabase) -> None:
    with connect(practices_url) as connection:
        connection.execute(sa.text("CREATE TABLE public.patients_of_all (id int)"))
        for one in (database, database.of(NORTH)):
            with one.readers.connect() as reading, pytest.raises(StorageUnavailable):
                reading.execute(sa.text("SELECT * FROM patients_of_all"))
        connection.execute(sa.text("DROP TABLE public.patients_of_all"))


def test_a_practice_without_a_schema_is_not_found_and_shows_no_other_practice(database: SqlDatabase) -> None:
    nowhere = database.of("nowhere")
    stored(database.of(NORTH))
    with pytest.raises(PracticeNotFound, match="there is no practice nowhere; paymentagg-practices list shows all"):
        stored(nowhere)
    with pytest.raises(PracticeNotFound):
        nowhere.export()
    with pytest.raises(PracticeNotFound), committed() as manager:
        nowhere.storage(manager).lock()
    with pytest.raises(PracticeNotFound), committed() as manager:
        nowhere.keys(manager)
    with pytest.raises(PracticeNotFound):
        nowhere.check()
    assert stored(database.of(SOUTH)) == ["2"]


def test_all_practices_share_the_connections_and_the_compiled_statements(database: SqlDatabase) -> None:
    for name in (NORTH, SOUTH):
        stored(database.of(name))
        database.of(name).check()
    assert database.of(NORTH).readers.pool is database.of(SOUTH).readers.pool is database.readers.pool
    assert database.readers.pool.checkedin() == 1  # type: ignore[attr-defined]
    cache = database.of(NORTH).readers._compiled_cache
    assert cache is database.of(SOUTH).readers._compiled_cache is database.readers._compiled_cache


def test_whether_the_database_can_be_read_is_a_question_for_all_practices(database: SqlDatabase) -> None:
    database.check()
    database.of(NORTH).check()


def test_a_lost_connection_is_an_error_of_the_database_and_the_next_one_is_new(
    practices_url: str, database: SqlDatabase
) -> None:
    south = database.of(SOUTH)
    with south.readers.connect() as reading:
        backend = reading.scalar(sa.text("SELECT pg_backend_pid()"))
        with connect(practices_url) as connection:
            connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        with pytest.raises(StorageUnavailable):
            reading.execute(sa.text("SELECT 1"))
    assert stored(south) == ["2"]


@pytest.mark.parametrize(("many", "statements"), [(False, 1), (True, 3)])
def test_one_practice_costs_no_statement_more_and_many_cost_two(
    migrated_postgres: str, database: SqlDatabase, many: bool, statements: int
) -> None:
    one = SqlDatabase(sa.make_url(migrated_postgres))
    asked = database.of(NORTH) if many else one
    stored(asked)  # connects, which runs statements of its own
    run: list[str] = []
    note_statements(asked.readers, run)
    stored(asked)
    assert len(run) == statements
    one.readers.dispose()


def note_statements(engine: Engine, run: list[str]) -> None:
    """Add whatever is sent over the engine's connections from now on, by the driver's own cursors too."""
    from psycopg2.extensions import cursor

    class Noting(cursor):
        def execute(self, query: Any, values: Any = None) -> None:
            run.append(str(query))
            super().execute(query, values)

    @event.listens_for(engine, "checkout")
    def checked_out(connection: Any, *_: object) -> None:
        connection.cursor_factory = Noting
