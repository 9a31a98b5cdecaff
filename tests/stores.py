"""The three stores with the same interface, so that the same tests check their contract."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import transaction
from sqlalchemy import Connection, event

from paymentagg.adapters.memory.repositories import (
    MemoryExport,
    MemoryKeys,
    MemoryPatients,
    MemoryPayments,
    MemorySyncs,
)
from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.postgresql import PostgresqlDialect
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments, SqlSyncs
from paymentagg.adapters.sql.sqlite import SqliteDialect
from paymentagg.adapters.sql.storage import SqlStorage
from paymentagg.adapters.sql.tables import metadata
from paymentagg.adapters.sql.wiring import connect, database_url, joined, open_export
from paymentagg.domain.ports import (
    Export,
    KeyRepository,
    PatientRepository,
    PaymentRepository,
    Storage,
    SyncRepository,
)


class Reader(Protocol):
    """The repositories of one reading transaction."""

    @property
    def patients(self) -> PatientRepository: ...

    @property
    def payments(self) -> PaymentRepository: ...

    @property
    def syncs(self) -> SyncRepository: ...


class Store(Protocol):
    """A store of the application, with all ports over it."""

    def transaction(self) -> AbstractContextManager[Storage]:
        """Yield the storage of one sync; commit what it has written unless the block raises or discards."""

    def reading(self) -> AbstractContextManager[Reader]:
        """Yield the repositories of one reading transaction."""

    def export(self) -> Export: ...

    def keys(self) -> AbstractContextManager[KeyRepository]:
        """Yield the API keys; commit what is written to them."""

    def close(self) -> None: ...


class MemoryReader:
    def __init__(self, storage: MemoryStorage) -> None:
        self.patients = MemoryPatients(storage)
        self.payments = MemoryPayments(storage)
        self.syncs = MemorySyncs(storage)


class MemoryStore:
    def __init__(self) -> None:
        self._storage = MemoryStorage(patience=0)

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

    def close(self) -> None:
        pass


class SqlReader:
    def __init__(self, connection: Connection) -> None:
        self.patients = SqlPatients(connection)
        self.payments = SqlPayments(connection)
        self.syncs = SqlSyncs(connection)


class SqlStore:
    """A database as in the application: each transaction has its own connection, and a transaction manager commits."""

    def __init__(self, url: str) -> None:
        self.engine = connect(database_url({"sqlalchemy.url": url}))
        self.readers = connect(self.engine.url, read_only=True)
        on_sqlite = self.engine.dialect.name == "sqlite"
        self._dialect = SqliteDialect() if on_sqlite else PostgresqlDialect()
        short_wait = "PRAGMA busy_timeout = 50" if on_sqlite else "SET lock_timeout = 50"

        @event.listens_for(self.engine, "connect")
        def shorten_lock_timeout(connection: Any, _: object) -> None:
            connection.cursor().execute(short_wait)
            connection.commit()

    @contextmanager
    def transaction(self) -> Iterator[Storage]:
        manager = transaction.TransactionManager(explicit=True)
        manager.begin()
        try:
            yield SqlStorage(joined(self.engine, manager), self._dialect, manager)
        except BaseException:
            manager.abort()
            raise
        if manager.isDoomed():
            manager.abort()
        else:
            manager.commit()

    def empty(self) -> None:
        """Delete all rows, which is faster than a new database."""
        with self.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        with self.readers.connect() as connection:
            yield SqlReader(connection)

    def export(self) -> Export:
        return open_export(self.readers)

    @contextmanager
    def keys(self) -> Iterator[KeyRepository]:
        with self.engine.connect().execution_options(writing=True) as connection, connection.begin():
            yield SqlKeys(connection)

    def close(self) -> None:
        self.engine.dispose()
        self.readers.dispose()
