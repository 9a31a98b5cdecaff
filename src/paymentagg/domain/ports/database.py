"""A database, from which each request gets its ports, and the transactions that it takes part in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from paymentagg.domain.api_keys import WrongKeys
from paymentagg.domain.ports.monitoring import Freshness, PoolUse
from paymentagg.domain.ports.practices import PracticeRegistry
from paymentagg.domain.ports.reading import Export, KeyRepository, Reader, SessionRepository
from paymentagg.domain.ports.retention import Retention
from paymentagg.domain.ports.syncing import Storage
from paymentagg.domain.ports.verifying import Verification


class TransactionManager(Protocol):
    """Begins, commits and aborts a transaction; a database joins what is written to it."""

    def begin(self) -> object:
        """Begin a transaction."""

    def commit(self) -> object:
        """Keep everything that was written."""

    def abort(self) -> object:
        """Roll everything back."""

    def doom(self) -> object:
        """Make the transaction end with an abort."""

    def isDoomed(self) -> bool:  # noqa: N802  the name is that of the package transaction
        """Return whether the transaction is doomed."""

    def get(self) -> Any:
        """Return the transaction, which takes hooks."""


class Database(Protocol):
    """A database, from which each request gets its ports; if it is one of many practices, from that of a practice."""

    def of(self, practice: str) -> "Database":
        """Return the database of one of many practices, whose name is valid. It shares the connections of all.

        If there is no such practice, whatever is done with it raises PracticeNotFound.
        """

    def practices(self) -> PracticeRegistry:
        """Return the practices of a database that has many."""

    @property
    def files(self) -> Sequence[Path]:
        """The files of the database, whether or not they exist; none if a server keeps them."""

    def prepare(self, *, dry_run: bool = False) -> None:
        """Create the database with its schema if it is an SQLite file that doesn't exist or is empty.

        A dry run uses an empty database instead, which vanishes with the process.

        Raises:
            StorageUnavailable: the file can't be created.
        """

    def require(self) -> None:
        """Check that the database isn't an SQLite file that doesn't exist or is empty.

        Raises:
            StorageUnavailable: it is.
        """

    def check(self) -> None:
        """Check that the database can be read and has the schema of this code; with many practices, only the former.

        Raises:
            StorageUnavailable: it can't be read, or has another schema.
        """

    def storage(self, manager: TransactionManager) -> Storage:
        """Return the store for one sync, kept when the manager commits."""

    def keys(self, manager: TransactionManager) -> KeyRepository:
        """Return the API keys for writing, kept when the manager commits."""

    def sessions(self, manager: TransactionManager) -> SessionRepository:
        """Return the sessions of browsers for writing, kept when the manager commits.

        Raises:
            SyncInProgress: a sync is running, and nothing else can be written meanwhile.
        """

    def retention(self, manager: TransactionManager) -> Retention:
        """Return what erases parts of the history, kept when the manager commits.

        Raises:
            SyncInProgress: a sync is running.
        """

    def note_use(self, key_id: str, at: datetime) -> None:
        """Store the time at which an API key is used, in a transaction of its own that doesn't wait for a sync.

        Raises:
            SyncInProgress: a sync is running, and nothing else can be written meanwhile.
        """

    def count_wrong_key(self, address: str, at: datetime, window: timedelta) -> WrongKeys:
        """Count a wrong API key for all processes as ``KeyRepository.count_wrong`` does, as ``note_use`` writes.

        Where there are many practices, the database of all counts those of all.

        Raises:
            SyncInProgress: a sync is running, and nothing else can be written meanwhile.
        """

    def reader(self) -> Reader:
        """Return the repositories for reading the current state."""

    def key_reader(self, practice: str) -> Reader:
        """Return the repositories for looking up keys and sessions of one of many practices, whose name is valid.

        Whether it exists makes no difference in time: where it doesn't, nothing is found in the same way.

        Raises:
            PracticeNotFound: when something is looked up, if the database lacks what that needs.
        """

    def data_reader(self) -> Reader:
        """Return the repositories for reading data; they may be those of a replica, with an earlier state."""

    def export(self, min_sync: int | None = None) -> Export:
        """Return an export of one state, which may be that of a replica.

        Args:
            min_sync: the id of a stored sync that the state must include.
        """

    @property
    def replica_is_available(self) -> bool | None:
        """Whether data can be read from the replica now; None if there is none."""

    def freshness(self, stale_before: datetime) -> Freshness:
        """Return how old the data are, whoever has synced them; with many practices, those of all live ones.

        Args:
            stale_before: practices without a good sync since then are counted as stale.
        """

    def pools(self) -> Sequence[PoolUse]:
        """Return how many connections of each pool are in use. This uses none."""

    def verification(self, manager: TransactionManager) -> Verification:
        """Return the checks of the current state, which end when the manager aborts. The database isn't created.

        Raises:
            StorageUnavailable: the database doesn't exist or can't be read.
        """

    def scratch(self, manager: TransactionManager) -> Storage:
        """Return the store for one sync in a private database that vanishes with the process, and is empty at first.

        Every patient of a payment is known there, so payments can be compared without a snapshot of the patients.
        """
