"""PostgreSQL hangs with all its connections open: reads end with 503, and are served again when it continues."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from select import POLLIN, poll

import pytest

from api import JSON, NDJSON
from builders import patient
from faults.test_outages import assert_unavailable
from paymentagg.adapters.sql.engines import deadlines
from paymentagg.adapters.sql.wiring import SqlDatabase, database_url
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.queries import PatientQuery
from postgres import Postgres
from practice import Practice
from server import PATIENCE, Answer, serving
from stores import SqlStore

pytestmark = pytest.mark.faults

READS = [("/patients", JSON), ("/payments?external_id=5", JSON), ("/health/ready", JSON), ("/payments", NDJSON)] * 2


def test_all_reads_end_with_503_and_are_served_again_by_the_same_process(
    disposable_postgres: Postgres, disposable_url: str, tmp_path: Path
) -> None:
    with serving(tmp_path, disposable_url) as server, ThreadPoolExecutor(len(READS)) as pool:
        requests = [(path, {"Accept": media}) for path, media in READS]

        def read() -> list[Answer]:
            return [each.result(PATIENCE) for each in [pool.submit(server.get, *request) for request in requests]]

        assert {answer.status for answer in read()} == {200}
        with disposable_postgres.frozen():
            for answer in read():
                assert_unavailable(answer)
        assert {answer.status for answer in read()} == {200}


def test_noting_the_use_of_a_key_ends_with_an_error(
    disposable_postgres: Postgres, disposable_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = SqlDatabase(database_url({"sqlalchemy.url": disposable_url}))
    database.note_use("a-key", datetime.now(UTC))  # opens a connection
    monkeypatch.setattr(deadlines, "PAGE", 1)
    with disposable_postgres.frozen(), pytest.raises(StorageUnavailable):
        database.note_use("a-key", datetime.now(UTC))
    database.readers.dispose()


def test_a_step_of_an_export_ends_with_an_error(
    disposable_postgres: Postgres, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(store.export()) as export:
        batches = export.patients(PatientQuery())
        monkeypatch.setattr(deadlines, "EXPORT", 1)
        next(batches)
        with disposable_postgres.frozen(), pytest.raises(StorageUnavailable):
            list(batches)
    assert len(Practice(store).patients) == 2_500


def test_an_export_that_is_given_up_can_be_closed(
    disposable_postgres: Postgres, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = store.export()
    batches = export.patients(PatientQuery())
    monkeypatch.setattr(deadlines, "EXPORT", 1)
    next(batches)
    with disposable_postgres.frozen():
        export.close()  # ends the transaction, which the server doesn't answer
    assert len(Practice(store).patients) == 2_500


def test_an_export_may_wait_for_its_client_longer_than_for_the_server(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(store.export()) as export, monkeypatch.context() as patched:
        patched.setattr(deadlines, "EXPORT", 1)
        patched.setattr(deadlines, "PAGE", 1)
        batches = export.patients(PatientQuery())
        first = next(batches)
        with store.readers.connect() as other:  # reaches its deadline meanwhile
            is_cut = poll()
            is_cut.register(other.connection, POLLIN)
            assert is_cut.poll(PATIENCE * 1000)
        patched.undo()
        assert len(first) + sum(map(len, batches)) == 2_500


@pytest.fixture
def store(disposable_url: str) -> Iterator[SqlStore]:
    """A store with 2,500 patients, so that an export has several batches."""
    store = SqlStore(disposable_url)
    Practice(store).sync(patients=[patient(f"{number}") for number in range(2_500)])
    yield store
    store.close()
