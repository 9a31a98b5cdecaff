"""The three stores with the same interface, so that the same tests check their contract."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Protocol

from sqlalchemy import event

from paymentagg.adapters.memory.history import MemoryHistory
from paymentagg.adapters.memory.repositories import (
    MemoryExport,
    MemoryKeys,
    MemoryPatients,
    MemoryPayments,
    MemorySessions,
    MemorySyncs,
)
from paymentagg.adapters.memory.retention import MemoryRetention
from paymentagg.adapters.memory.state import State
from paymentagg.adapters.memory.statistics import MemoryStatistics
from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.adapters.sql.tables import metadata
from paymentagg.adapters.sql.wiring import SqlDatabase, database_url
from paymentagg.domain.ports import (
    Export,
    HistoryRepository,
    KeyRepository,
    PatientRepository,
    PaymentRepository,
    Retention,
    SessionRepository,
    StatisticsRepository,
    Storage,
    SyncRepository,
    Verification,
)
from paymentagg.entrypoints.transactions import committed


class Reader(Protocol):
    """The repositories of one reading transaction."""

    @property
    def patients(self) -> PatientRepository: ...

    @property
    def payments(self) -> PaymentRepository: ...

    @property
    def syncs(self) -> SyncRepository: ...

    @property
    def history(self) -> HistoryRepository: ...

    @property
    def statistics(self) -> StatisticsRepository: ...

    @property
    def sessions(self) -> SessionRepository: ...


class Store(Protocol):
    """A store of the application, with all ports over it."""

    def transaction(self) -> AbstractContextManager[Storage]:
        """Yield the storage of one sync; commit what it has written unless the block raises or discards."""

    def reading(self) -> AbstractContextManager[Reader]:
        """Yield the repositories of one reading transaction."""

    def export(self) -> Export: ...

    def keys(self) -> AbstractContextManager[KeyRepository]:
        """Yield the API keys; commit what is written to them."""

    def sessions(self) -> AbstractContextManager[SessionRepository]:
        """Yield the sessions; commit what is written to them."""

    def retention(self) -> AbstractContextManager[Retention]:
        """Yield what erases parts of the history; commit what it has erased."""

    def close(self) -> None: ...


class MemoryReader:
    def __init__(self, storage: MemoryStorage) -> None:
        self.patients = MemoryPatients(storage)
        self.payments = MemoryPayments(storage)
        self.syncs = MemorySyncs(storage)
        self.history = MemoryHistory(storage)
        self.statistics = MemoryStatistics(storage)
        self.sessions = MemorySessions(storage)


class MemoryStore:
    def __init__(self) -> None:
        self._storage = MemoryStorage(patience=0)

    @property
    def state(self) -> State:
        """The stored data."""
        return self._storage.state

    def transaction(self) -> AbstractContextManager[Storage]:
        return self._storage.transaction()

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        yield MemoryReader(self._storage)

    def export(self) -> Export:
        return MemoryExport(self._storage)

    @contextmanager
    def keys(self) -> Iterator[KeyRepository]:
        yield MemoryKeys(self._storage)

    @contextmanager
    def sessions(self) -> Iterator[SessionRepository]:
        yield MemorySessions(self._storage)

    @contextmanager
    def retention(self) -> Iterator[Retention]:
        with self._storage.transaction() as transaction:
            yield MemoryRetention(transaction)

    def close(self) -> None:
        pass


class SqlStore:
    """A database as the application wires it, but a sync waits only so many milliseconds for a lock.

    With ``practice`` it is that of one of many practices.
    """

    def __init__(self, url: str, patience: int = 50, *, practice: str | None = None) -> None:
        everything = SqlDatabase(database_url({"sqlalchemy.url": url}), many=practice is not None)
        self._database = everything if practice is None else everything.of(practice)
        self.engine = self._database.writers
        self.readers = self._database.readers
        on_sqlite = self.engine.dialect.name == "sqlite"
        short_wait = f"PRAGMA busy_timeout = {patience}" if on_sqlite else f"SET lock_timeout = {patience}"

        @event.listens_for(self.engine, "connect")
        def shorten_lock_timeout(connection: Any, _: object) -> None:
            connection.cursor().execute(short_wait)
            connection.commit()

    @contextmanager
    def transaction(self) -> Iterator[Storage]:
        with committed() as manager:
            yield self._database.storage(manager)

    def empty(self) -> None:
        """Delete all rows, which is faster than a new database."""
        with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with closing(self._database.reader()) as reader:
            yield reader

    def export(self) -> Export:
        return self._database.export()

    @contextmanager
    def verification(self) -> Iterator[Verification]:
        """Yield the checks of the current state."""
        with committed() as manager:
            manager.doom()
            yield self._database.verification(manager)

    @contextmanager
    def scratch(self) -> Iterator[Storage]:
        """Yield the storage of one sync in the private database of this store."""
        with committed() as manager:
            yield self._database.scratch(manager)

    @contextmanager
    def keys(self) -> Iterator[KeyRepository]:
        with committed() as manager:
            yield self._database.keys(manager)

    @contextmanager
    def sessions(self) -> Iterator[SessionRepository]:
        with committed() as manager:
            yield self._database.sessions(manager)

    @contextmanager
    def retention(self) -> Iterator[Retention]:
        with committed() as manager:
            yield self._database.retention(manager)

    def close(self) -> None:
        self.engine.dispose()
        self.readers.dispose()
