"""A replica by streaming replication: what is read from it, and what happens when it lags, hangs or is stopped."""

import random
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import cycle, islice
from pathlib import Path
from threading import get_ident
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import Pool
from webtest import TestApp

from api import JSON, NDJSON, PATIENTS, PAYMENTS, checked, ids, sync
from builders import array, patient, patient_row
from keyring import Keyring
from paymentagg.adapters.sql.schema import REVISION
from paymentagg.adapters.sql.wiring import SqlDatabase
from paymentagg.app import main
from paymentagg.domain.access import Role
from paymentagg.domain.queries import PatientQuery
from postgres import Postgres, connect
from practice import Practice
from replication import catch_up, lagging, replica_of, url_on
from server import PATIENCE, Server, serving, until
from stores import SqlStore

pytestmark = pytest.mark.faults

READY = "/health/ready"
OK, UNAVAILABLE = ({"status": "ok", "replica": word} for word in ("ok", "unavailable"))

READS = [
    *("/patients", "/patients/5", "/payments", "/payments/501", "/syncs", "/syncs/1", "/syncs/1/changes"),
    *("/syncs/1/rejections", "/history?patient=5", "/stats", "/stats/histogram", "/stats/syncs"),
    *("/ui", "/ui/patients", "/ui/patients/5", "/ui/syncs", "/ui/syncs/1", "/ui/syncs/1?format=csv"),
]


@contextmanager
def reads() -> Iterator[list[bool]]:
    """Collect, for each connection that this thread takes from a pool, whether it is to a replica."""
    found: list[bool] = []
    requests_thread = get_ident()

    def note(driver: Any, *_: object) -> None:
        if get_ident() != requests_thread:
            return  # the thread that checks the replica
        with driver.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            found.append(cursor.fetchone()[0])
        driver.rollback()

    event.listen(Pool, "checkout", note)
    try:
        yield found
    finally:
        event.remove(Pool, "checkout", note)


def test_data_and_pages_and_exports_are_read_from_the_replica(practice: TestApp) -> None:
    for path, media in [(path, "*/*") for path in READS] + [("/patients", NDJSON), ("/payments", "text/csv")]:
        for method in ("GET", "HEAD"):
            with reads() as found:
                practice.request(path, method=method, headers={"Accept": media})
            assert set(found) == {True}, path


def test_what_writes_uses_the_primary_alone(practice: TestApp) -> None:
    with reads() as found:
        sync(practice, "/patients", PATIENTS)
        practice.post("/syncs/2/undo?dry_run=true")
        practice.get("/ui/upload")
    assert set(found) == {False}


@pytest.mark.usefixtures("practice")
def test_keys_are_read_from_the_primary_so_that_a_revoked_one_ends_at_once(
    disposable_url: str, replica: Postgres, replica_url: str
) -> None:
    app = application(disposable_url, replica_url, **{"paymentagg.access": "keys"})
    keyring = Keyring(disposable_url)
    headers = {"Authorization": f"Bearer {keyring.key(Role.READER)}"}
    with lagging(replica), reads() as found:
        app.get("/patients", headers=headers)  # the replica doesn't have the key
    assert set(found) == {True, False}
    revoked = {"Authorization": f"Bearer {keyring.key(Role.READER, revoked=True)}"}
    app.get("/patients", headers=revoked, status=401)
    keyring.store.close()


def test_a_replica_that_lags_is_read_as_it_is_but_never_where_a_sync_is_asked_for(
    practice: TestApp, disposable_url: str, replica: Postgres, replica_url: str
) -> None:
    former = practice.get("/patients")
    with lagging(replica):
        report = sync(practice, "/patients", [*PATIENTS, patient_row("9")])
        stale = practice.get("/patients")
        assert (ids(stale), stale.headers["ETag"]) == (["5", "6", "8"], former.headers["ETag"])
        assert ids(practice.get(f"/patients?min_sync={report['id']}")) == ["5", "6", "8", "9"]
        for media in (NDJSON, "text/csv"):
            text = practice.get(f"/patients?min_sync={report['id']}", headers={"Accept": media}).text
            assert len(text.splitlines()) == (4 if media == NDJSON else 5)

        tag = {"If-None-Match": former.headers["ETag"]}
        practice.get("/patients", headers=tag, status=304)
        current = practice.get(f"/patients?min_sync={report['id']}", headers=tag, status=200)
        practice.get("/patients", headers={"If-None-Match": current.headers["ETag"]}, status=200)

        since = f"updated_since={report['startedAt']}"
        assert ids(practice.get(f"/patients?{since}")) == []
        assert ids(practice.get(f"/patients?{since}&min_sync={report['id']}")) == ["9"]
    catch_up(disposable_url, replica_url)
    with reads() as found:
        assert ids(practice.get(f"/patients?min_sync={report['id']}")) == ["5", "6", "8", "9"]
    assert set(found) == {True}


def test_nothing_is_not_found_because_the_replica_lags(practice: TestApp, replica: Postgres) -> None:
    with lagging(replica):
        report = sync(practice, "/patients", [*PATIENTS, patient_row("9")])
        assert practice.get(f"/syncs/{report['id']}").json["id"] == report["id"]
        assert len(practice.get(f"/syncs/{report['id']}/changes").json) == 1
        assert practice.get(f"/syncs/{report['id']}/rejections").json == []
        assert practice.get("/patients/9").json["externalId"] == "9"
        practice.get(f"/ui/syncs/{report['id']}")
        practice.get("/patients/10", status=404)


def test_a_sync_that_is_nowhere_is_refused_without_a_wait(practice: TestApp) -> None:
    with reads() as found:
        checked(practice.get("/patients?min_sync=99", status=400), "invalid-parameter", 400)
    assert found == [True, False]


def test_a_wait_ends_when_the_replica_has_the_sync(practice: TestApp, replica: Postgres) -> None:
    with ThreadPoolExecutor(1) as pool:
        with lagging(replica):
            report = sync(practice, "/patients", [*PATIENTS, patient_row("9")])
            answer = pool.submit(practice.get, f"/patients?min_sync={report['id']}")
        assert ids(answer.result(PATIENCE)) == ["5", "6", "8", "9"]


def test_a_replica_that_is_gone_is_noticed_once_and_read_again_when_it_is_back(
    disposable_url: str, replica: Postgres, replica_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, disposable_url, {"paymentagg.read_url": replica_url.replace("%", "%%")}) as server:
        server.post("/patients", array(*PATIENTS))
        until(lambda: server.get(READY).json == OK)
        for _ in range(2):
            replica.stop_at_once()
            for path in ("/patients", "/patients", "/patients?min_sync=1", "/ui/patients", "/ui"):
                assert server.get(path).status == 200
            assert (server.get(READY).status, server.get(READY).json) == (200, UNAVAILABLE)
            replica.start()
            until(lambda: server.get(READY).json == OK)
    notices = [line[line.index("the replica") :][:30] for line in server.log if "the replica" in line]
    assert notices == ["the replica isn't read, and th", "the replica is read again\n"] * 2


def test_no_read_fails_or_is_stale_while_the_replica_is_killed_again_and_again(
    disposable_url: str, replica: Postgres, replica_url: str, tmp_path: Path, scale: int
) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311
    number = random.Random(seed)  # noqa: S311
    with serving(tmp_path, disposable_url, {"paymentagg.read_url": replica_url.replace("%", "%%")}) as server:
        server.post("/payments", array())
        kept = asked = 0
        for round_ in range(3 * scale):
            until(lambda: server.get(READY).json == OK)
            rows, done = [patient_row(f"{n}") for n in range(2_500 + round_)], number.randrange(100)
            report = server.post("/patients", array(*rows)).json
            with ThreadPoolExecutor(4) as pool:
                answers = [pool.submit(read, server, *each) for each in requests(report["id"], len(rows), 120)]
                wait_for(done, answers)
                replica.stop_at_once()
                found = [each.result(PATIENCE) for each in answers]
            asked += len(found)
            kept += sum(found)
            replica.start()
    print(f"seed {seed}: {asked} reads, {kept} right")
    assert kept == asked


def wait_for(number: int, answers: list["Future[bool]"]) -> None:
    """Wait until so many of them are done."""
    until(lambda: sum(each.done() for each in answers) >= number)


def requests(sync_id: int, patients: int, number: int) -> Iterator[tuple[str, str, int | None]]:
    """Yield reads: the path, the media type, and the number of rows that the response must have."""
    total = ("/patients?count=exact&limit=1", JSON, None), (f"/patients?min_sync={sync_id}", NDJSON, patients)
    page = ("/patients?limit=1000", JSON, None), (f"/patients?limit=1000&min_sync={sync_id}", JSON, 1000)
    return islice(cycle((*total, *page, ("/ui/patients", "text/html", None))), number)


def read(server: Server, path: str, media: str, rows: int | None) -> bool:
    """Return whether a read succeeds and has so many rows."""
    answer = server.get(path, {"Accept": media})
    number = len(answer.body.splitlines()) if media == NDJSON else len(answer.json) if rows else None
    return answer.status == 200 and number == rows


def test_an_export_goes_on_at_the_primary_where_the_replica_has_ended_it(
    disposable_url: str, replica: Postgres, replica_url: str
) -> None:
    database = opened(disposable_url, replica_url)
    store = SqlStore(disposable_url)
    Practice(store).sync(patients=[patient(f"{number}") for number in range(2_500)])
    catch_up(disposable_url, replica_url)
    with closing(database.export()) as export:
        batches = export.patients(PatientQuery())
        rows = next(batches)
        replica.stop_at_once()
        rows += [row for batch in batches for row in batch]
        assert [row.external_id for row in rows] == [f"{number}" for number in range(2_500)]
    replica.start()
    store.close()


def test_a_replica_that_hangs_is_left(practice: TestApp, replica: Postgres) -> None:
    with replica.frozen():
        assert ids(practice.get("/patients")) == ["5", "6", "8"]
        until(lambda: practice.get(READY).json == UNAVAILABLE)
        with reads() as found:
            practice.get("/patients")
        assert found == [False]
    until(lambda: practice.get(READY).json == OK)


def test_a_server_that_is_no_replica_isnt_read(disposable_url: str, logged: Any) -> None:
    app = TestApp(main({}, **{"sqlalchemy.url": disposable_url, "paymentagg.read_url": disposable_url}))
    with reads() as found:
        app.get("/patients")
        until(lambda: any("it isn't in recovery" in line for line in logged.lines))
        app.get("/patients")
    assert True not in found
    assert app.get(READY).json == UNAVAILABLE


@pytest.mark.usefixtures("practice")
def test_a_replica_that_lacks_a_migration_isnt_read(disposable_url: str, replica: Postgres, replica_url: str) -> None:
    with connect(disposable_url) as primary:
        primary.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        catch_up(disposable_url, replica_url)
        with lagging(replica):
            primary.execute(sa.text(f"UPDATE alembic_version SET version_num = '{REVISION}'"))
            app = TestApp(main({}, **{"sqlalchemy.url": disposable_url, "paymentagg.read_url": replica_url}))
            with reads() as found:
                assert ids(app.get("/patients")) == ["5", "6", "8"]
                assert app.get(READY).json == UNAVAILABLE
            assert False in found
    until(lambda: app.get(READY).json == OK)


@pytest.fixture(scope="module")
def replica(disposable_postgres: Postgres) -> Iterator[Postgres]:
    """A replica of the server that tests may stop."""
    with replica_of(disposable_postgres) as replica:
        yield replica


@pytest.fixture
def replica_url(replica: Postgres, disposable_url: str) -> str:
    """The URL of the replica's copy of the empty database."""
    catch_up(disposable_url, replica.url.render_as_string(hide_password=False))
    return url_on(replica, disposable_url)


@pytest.fixture
def practice(disposable_url: str, replica_url: str) -> TestApp:
    """A client of an application that reads from the replica, after the small practice was synced."""
    app = application(disposable_url, replica_url)
    sync(app, "/patients", PATIENTS)
    sync(app, "/payments", PAYMENTS)
    catch_up(disposable_url, replica_url)
    return app


def application(url: str, read_url: str, **settings: str) -> TestApp:
    """Return a client of an application that has found its replica in order."""
    app = TestApp(main({}, **{"sqlalchemy.url": url, "paymentagg.read_url": read_url} | settings))
    until(lambda: app.get(READY).json == OK)
    return app


def opened(url: str, read_url: str) -> SqlDatabase:
    """Return a database that has found its replica in order."""
    database = SqlDatabase(sa.make_url(url), read_url=sa.make_url(read_url))
    until(lambda: bool(database.replica_is_available))
    return database
