"""Named races, reproduced step by step: two sessions, in which each step waits for the one before."""

import json
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Protocol, runtime_checkable

import pytest
import sqlalchemy as sa
from webtest import TestApp, TestRequest, TestResponse

from api import JSON, MULTIPART, NDJSON, post, sent
from builders import array, batch, patient, patient_row, payment, payment_row
from paymentagg.adapters.sql import schema
from paymentagg.adapters.sql.engines import sqlite
from paymentagg.adapters.sql.replica import BULK
from paymentagg.app import main
from paymentagg.domain.batches import Batch
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.model import Payment
from paymentagg.domain.queries import PaymentQuery
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from practice import Given, Practice
from server import until
from stores import SqlStore
from together.states import State, payments_in, without_generated

UNLIMITED = Terms(DeletionLimit.parse("100%"))


@pytest.mark.parametrize("is_known", [False, True], ids=["read", "conditional read"])
@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/patients", JSON),
        ("/patients?sort=-paymentTotal", JSON),
        ("/patients/001", JSON),
        ("/payments?external_id=001", JSON),
        ("/patients", NDJSON),
        ("/payments", "text/csv"),
    ],
)
def test_a_sync_between_the_statements_of_a_read_leaves_its_rows_and_its_tag_of_one_state(
    app: TestApp, path: str, media: str, is_known: bool
) -> None:
    def read(tag: str = '"unknown"') -> tuple[int, str, bytes]:
        answer: TestResponse = app.get(path, headers={"Accept": media, "If-None-Match": tag})
        return answer.status_int, answer.headers["ETag"], answer.body

    for statement in count(1):
        become(app, 2 * statement)
        old = read()
        with before_statement(statement, partial(become, app, 2 * statement + 1)) as run:
            found = read(old[1] if is_known else '"unknown"')
        new = read()
        if len(run) < statement:
            break
        assert old[1] != new[1]
        assert found in ([(304, old[1], b""), new] if is_known else [old, new])
    assert statement > 1


def test_what_is_not_committed_is_not_seen_and_its_tag_neither(app: TestApp, store: SqlStore) -> None:
    def read() -> list[tuple[str, bytes]]:
        answers = [app.get(path) for path in ("/patients", "/patients/5", "/payments", "/syncs")]
        return [(answer.headers["ETag"], answer.body) for answer in answers]

    post(app, "/patients", array(patient_row("5")))
    before = read()
    with store.transaction() as storage:
        snapshots = Snapshots(Given(batch([patient("5", first_name="Roy")])), Given(batch([payment()])))
        synchronize(storage, snapshots, UNLIMITED, Practice().clock)
        assert read() == before
    assert not set(read()) & set(before)


def test_an_export_that_is_read_slowly_goes_on_with_the_state_it_began_with(app: TestApp) -> None:
    become(app, 1)
    request = TestRequest.blank("/payments", headers={"Accept": NDJSON})
    request.remote_addr = "127.0.0.1"
    _, _, body = request.call_application(app.app)
    assert isinstance(body, ClosableBody)
    with closing(body):
        begun = next(iter(body))
        become(app, 2)
        rest = list(body)
    assert rest
    payments = [json.loads(line, parse_float=str) for line in b"".join([begun, *rest]).splitlines()]
    assert without_generated(payments) == payments_in(State(1, 1))


def test_a_sync_that_waited_compares_with_the_state_after_the_other_one(postgresql_url: str) -> None:
    app, store = TestApp(main({}, **{"sqlalchemy.url": postgresql_url})), SqlStore(postgresql_url)
    both = array(patient_row("5"), patient_row("6"))
    post(app, "/patients", both)
    post(app, "/payments", array(payment_row("501", "5"), payment_row("601", "6")))

    # The other sync deletes patient 6 with their payment. If the waiting sync compared with the state before that, it
    # would bring the payment back and lose an update.
    with ThreadPoolExecutor(1) as pool:
        with deleting(store):
            late = array(payment_row("501", "5", "1.00"), payment_row("601", "6"), payment_row("602", "6"))
            waiting = pool.submit(post, app, "/payments", late)
            until(lambda: blocked(store) == 1)
        report = waiting.result().json
        assert [error["code"] for error in report["errors"]] == ["unknown-patient"] * 2
        assert report["payments"]["updated"] == 1
        assert app.get("/patients").json[0]["paymentTotal"] == 1

        # These bytes equal the last snapshot of patients until the running sync commits another one.
        post(app, "/patients", both)
        with deleting(store):
            waiting = pool.submit(post, app, "/patients", both)
            until(lambda: blocked(store) == 1)
        assert waiting.result().json["patients"]["created"] == 1
    store.close()


def test_a_first_load_and_a_reader_do_not_wait_for_one_another(postgresql_url: str) -> None:
    store = SqlStore(postgresql_url)

    def read() -> int:
        with store.reading() as reader:
            return len(reader.payments.page(PaymentQuery()).items)

    class DeliveredOnceAReaderWaits(Given[Payment]):
        """Payments that are delivered after the patients were loaded and a reader waits for the lock on patients.

        The reader needs the payments too, so a load that locked them later would deadlock with it.
        """

        def __iter__(self) -> Iterator[Batch[Payment]]:
            readers.append(pool.submit(read))
            until(lambda: blocked(store) == 1)
            return super().__iter__()

    readers: list[Future[int]] = []
    patients = Given(batch([patient(f"{n}") for n in range(BULK)]))
    payments = DeliveredOnceAReaderWaits(batch([payment(f"{n}", f"{n}") for n in range(BULK)]))
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as storage:
            synchronize(storage, Snapshots(patients, payments), UNLIMITED, Practice().clock)
        assert readers[0].result() == 100
    store.close()


def test_of_two_processes_that_create_the_same_file_the_slower_one_keeps_the_file_of_the_other(tmp_path: Path) -> None:
    file = tmp_path / "paymentagg.sqlite"
    url = sa.make_url(f"sqlite:///{file}")
    made = []

    def fill_slowly(engine: sa.Engine) -> None:
        schema.upgrade(engine)
        sqlite.create_file(url, schema.upgrade)
        made.append(file.stat())

    sqlite.create_file(url, fill_slowly)
    assert file.stat() == made[0]
    assert stat.S_IMODE(made[0].st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    Practice(SqlStore(str(url))).sync(patients=[patient()])


@runtime_checkable
class ClosableBody(Protocol):
    """A WSGI response body with a ``close`` method (PEP 3333)."""

    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


def become(app: TestApp, number: int) -> None:
    """Sync the state with that number."""
    post(app, "/snapshot?max_delete=100%25", State(number, number).form(), MULTIPART)


@contextmanager
def before_statement(number: int, do: Callable[[], None]) -> Iterator[list[str]]:
    """Call ``do`` before this statement of those in the block; yield the list of the statements so far."""

    def note(current: int) -> None:
        if current == number:
            do()

    with sent(note) as run:
        yield run


@contextmanager
def deleting(store: SqlStore) -> Iterator[None]:
    """Begin a sync that deletes all patients but one; commit it at the end of the block."""
    with store.transaction() as storage:
        synchronize(storage, Snapshots(Given(batch([patient("5")]))), UNLIMITED, Practice().clock)
        yield


def blocked(store: SqlStore) -> int:
    """Return the number of sessions that wait for a lock in the database."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with store.readers.connect() as connection:
        return connection.scalar(sa.text(waiting)) or 0


@pytest.fixture
def app(database_url: str) -> TestApp:
    """The application on each engine."""
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """A store on the application's database."""
    store = SqlStore(database_url)
    yield store
    store.close()
