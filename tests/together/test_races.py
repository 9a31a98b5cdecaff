"""Races that have a name, step by step: two sessions, and each step waits for the one before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from builders import batch, patient, payment
from paymentagg.adapters.replica import BULK
from paymentagg.domain.guard import DeletionLimit
from paymentagg.domain.model import Payment
from paymentagg.domain.ports import Batch
from paymentagg.domain.queries import PaymentQuery
from paymentagg.domain.synchronization import Snapshots, Terms, synchronize
from practice import Given, Practice
from server import until
from stores import SqlStore


def test_a_first_load_and_a_reader_do_not_wait_for_one_another(postgresql: Practice) -> None:
    def read() -> int:
        with postgresql.store.reading() as reader:
            return len(reader.payments.page(PaymentQuery()).items)

    class OnceAReaderWaits(Given[Payment]):
        """Payments that come when the patients are loaded, and a reader waits for them who needs the payments too."""

        def __iter__(self) -> Iterator[Batch[Payment]]:
            nonlocal reading
            reading = pool.submit(read)
            until(lambda: waiting(postgresql) == 1)
            return super().__iter__()

    reading = None
    snapshots = Snapshots(
        Given(batch([patient(f"{n}") for n in range(BULK)])),
        OnceAReaderWaits(batch([payment(f"{n}", f"{n}") for n in range(BULK)])),
    )
    with ThreadPoolExecutor(1) as pool:
        with postgresql.store.transaction() as storage:
            synchronize(storage, snapshots, Terms(DeletionLimit.parse("0")), postgresql.clock)
        assert reading.result() == 100


def waiting(practice: Practice) -> int:
    """Return how many sessions wait for a lock in the database."""
    with practice.store.engine.connect() as connection:
        return connection.scalar(
            sa.text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[Practice]:
    store = SqlStore(postgresql_url)
    yield Practice(store)
    store.close()
