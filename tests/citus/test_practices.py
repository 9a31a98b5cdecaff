"""A practice is whole on one worker of a Citus cluster, where each statement of a sync and of a page is one task."""

from typing import Any

import psycopg2.extensions
import sqlalchemy as sa

import citus_cluster
from builders import patient, payment
from paymentagg.adapters.sql import tables, working_tables
from paymentagg.adapters.sql.grants import APP_ROLE
from postgres import NORTH, SOUTH, connect
from practice import Practice
from stores import SqlStore

PLACES = sa.text(
    "SELECT DISTINCT nodename, nodeport FROM pg_dist_shard"
    " JOIN pg_dist_placement USING (shardid) JOIN pg_dist_node USING (groupid)"
    " JOIN pg_class ON pg_class.oid = logicalrelid WHERE relnamespace = CAST(:practice AS regnamespace)"
)
DISTRIBUTED = sa.text(
    "SELECT relname FROM pg_dist_partition JOIN pg_class ON pg_class.oid = logicalrelid"
    " WHERE relnamespace = CAST(:practice AS regnamespace)"
)
TABLES = {
    table.name
    for metadata in (tables.metadata, working_tables.metadata, working_tables.temporary)
    for table in metadata.sorted_tables
}


def places(url: str, practice: str) -> list[Any]:
    """Return the host and port of each node that has a table of a practice."""
    with connect(url) as connection:
        return [tuple(row) for row in connection.execute(PLACES, {"practice": practice})]


def test_all_tables_of_a_practice_are_on_one_worker(cluster_url: str) -> None:
    with connect(cluster_url) as connection:
        for practice in (NORTH, SOUTH):
            assert set(connection.scalars(DISTRIBUTED, {"practice": practice})) >= TABLES
    assert len(places(cluster_url, NORTH)) == len(places(cluster_url, SOUTH)) == 1
    assert places(cluster_url, NORTH) != places(cluster_url, SOUTH)


def test_the_role_of_the_server_syncs_and_takes_back_and_reads(cluster_url: str) -> None:
    url = sa.make_url(cluster_url).set(username=APP_ROLE).render_as_string(hide_password=False)
    practice = Practice(SqlStore(url, practice=NORTH))
    practice.sync(patients=[patient("5")], payments=[payment("501", "5")])
    practice.sync(patients=[patient("4")], payments=[])
    assert list(practice.patients) == ["4"]
    practice.undo(2)
    assert list(practice.patients) == ["5"]
    assert list(practice.payments) == ["501"]
    practice.store.close()
    other = Practice(SqlStore(url, practice=SOUTH))
    assert other.syncs == []
    other.store.close()


def test_each_statement_of_syncs_and_pages_is_one_task(cluster_url: str) -> None:
    store = SqlStore(cluster_url, practice=NORTH)
    practice, plans = Practice(store), []

    class Explaining(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            if query.startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                super().execute(f"EXPLAIN {query}", parameters)
                plans.append((query, "\n".join(line for (line,) in self.fetchall())))
            super().execute(query, parameters)

    def watch(driver: Any, *_: object) -> None:
        driver.cursor_factory = Explaining

    for engine in (store.engine, store.readers):
        sa.event.listen(engine, "checkout", watch)
    practice.sync(patients=[patient("5"), patient("6")], payments=[payment("501", "5"), payment("601", "6")])
    practice.sync(patients=[patient("5"), patient("7")], payments=[payment("501", "5", "1.00"), payment("701", "7")])
    practice.undo(2)
    assert list(practice.patients) == ["5", "6"]
    store.close()

    distributed = [(statement, plan) for statement, plan in plans if "Task Count" in plan]
    assert [plan for _, plan in distributed if "Task Count: 1\n" not in plan] == []
    parts = ("INSERT INTO paired_patients", "INSERT INTO paired_payments", "INSERT INTO row_changes", "FROM patients")
    for part in (*parts, "json_agg"):
        assert [statement for statement, _ in distributed if part in statement] != []


def test_a_practice_that_is_moved_to_another_worker_goes_on(cluster_url: str) -> None:
    practice = Practice(SqlStore(cluster_url, practice=NORTH))
    practice.sync(patients=[patient("5")], payments=[payment("501", "5")])
    ((_, before),) = places(cluster_url, NORTH)
    (worker,) = (node for node in citus_cluster.nodes(sa.make_url(cluster_url))[1:] if node.port != before)
    with connect(cluster_url) as connection:
        moved = {"practice": NORTH, "host": worker.host, "port": worker.port}
        connection.execute(sa.text("SELECT citus_schema_move(:practice, :host, :port, 'block_writes')"), moved)
    assert places(cluster_url, NORTH) == [(worker.host, worker.port)]
    practice.sync(patients=[patient("5"), patient("6")], payments=[])
    assert list(practice.patients) == ["5", "6"]
    practice.store.close()
