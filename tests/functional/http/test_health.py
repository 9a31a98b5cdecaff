"""Health checks, and that they and reads are answered while syncs run and wait."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import sqlalchemy as sa
from webtest import TestApp

from api import checked
from builders import array
from commits import committing
from paymentagg.app import main
from postgres import connect
from server import PATIENCE

PATHS = ("/health/live", "/health/ready")


@pytest.mark.parametrize("path", PATHS)
def test_a_server_that_can_serve_says_so(app: TestApp, path: str) -> None:
    answer = app.get(path)
    assert (answer.json, answer.headers["Cache-Control"]) == ({"status": "ok"}, "no-store")
    assert app.head(path).body == b""


def test_without_its_database_a_server_lives_and_is_not_ready() -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": "postgresql://nobody@127.0.0.1:1/none"}))
    assert app.get("/health/live").json == {"status": "ok"}
    response = app.get("/health/ready", status=503)
    checked(response, "database-unavailable", 503)
    assert response.headers["Retry-After"]


def test_with_another_schema_a_server_is_not_ready(app: TestApp, database_url: str) -> None:
    with connect(database_url) as connection:
        revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
        problem = checked(app.get("/health/ready", status=503), "database-unavailable", 503)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    assert "alembic" in problem["detail"]
    assert app.get("/health/ready").status_int == 200


def test_a_health_check_leaves_no_transaction_open(postgresql_url: str) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": postgresql_url}))
    app.get("/health/ready")
    with connect(postgresql_url) as connection:
        other = "datname = current_database() AND application_name = 'paymentagg'"
        states = connection.scalars(sa.text(f"SELECT state FROM pg_stat_activity WHERE {other}"))
        assert set(states) == {"idle"}


def test_one_sync_runs_and_one_waits_and_the_third_is_refused_at_once_while_reads_go_on(
    tmp_path: Path, database_url: str
) -> None:
    with committing(tmp_path, database_url) as (server, running, release), ThreadPoolExecutor() as pool:
        more = {pool.submit(server.post, "/patients", array()) for _ in range(5)}
        waiting = set(more)
        while len(waiting) > 1:
            done, waiting = wait(waiting, PATIENCE, FIRST_COMPLETED)
            for refused in done:
                answer = refused.result()
                assert (answer.status, answer.code) == (409, "sync-in-progress")
                assert answer.headers["Retry-After"]
        for path in (*PATHS, "/patients", "/payments", "/syncs"):
            assert server.get(path).status == 200
        assert not running.done()
        assert not any(one.done() for one in waiting)
        release()
        assert running.result(PATIENCE).status == 200
        assert [one.result(PATIENCE).status for one in waiting] == [200]
