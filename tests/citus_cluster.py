"""Databases on a running Citus cluster, in which every schema is distributed."""

from collections.abc import Sequence

import sqlalchemy as sa

SCHEMA = "practice"
"""The schema in which a connection without a practice finds its tables: ``public`` can't be distributed."""


def nodes(server: sa.URL) -> list[sa.URL]:
    """Return the URLs of all nodes, that of the coordinator first; none if the server has no Citus."""
    with _connect(server) as connection:
        if not connection.scalar(sa.text("SELECT to_regclass('pg_catalog.pg_dist_node') IS NOT NULL")):
            return []
        rows = connection.execute(sa.text("SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid"))
        return [server.set(host=host, port=port) for host, port in rows]


def create(database: str, cluster: Sequence[sa.URL]) -> None:
    """Create a database on each node of a cluster, and make it distribute all schemas but ``public``."""
    for node in cluster:
        with _connect(node) as connection:
            connection.execute(sa.text(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'"))
        with _connect(node.set(database=database)) as connection:
            connection.execute(sa.text("CREATE EXTENSION citus"))
    coordinator, *workers = cluster
    with _connect(coordinator.set(database=database)) as connection:
        connection.execute(sa.text(f"SELECT citus_set_coordinator_host('{coordinator.host}', {coordinator.port})"))
        for worker in workers:
            connection.execute(sa.text(f"SELECT citus_add_node('{worker.host}', {worker.port})"))
        connection.execute(sa.text(f"ALTER DATABASE {database} SET citus.enable_schema_based_sharding = on"))
        connection.execute(sa.text(f"ALTER DATABASE {database} SET search_path = {SCHEMA}"))
    with _connect(coordinator.set(database=database)) as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {SCHEMA}"))


def drop(database: str, cluster: Sequence[sa.URL]) -> None:
    """Drop a database on each node of a cluster."""
    for node in cluster:
        with _connect(node) as connection:
            connection.execute(sa.text(f"DROP DATABASE {database} WITH (FORCE)"))


def _connect(url: sa.URL) -> sa.Connection:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()
