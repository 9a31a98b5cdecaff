"""The repositories for reading, over one connection."""

from sqlalchemy import Connection, Engine
from typing_extensions import override

from paymentagg.adapters.sql.api_keys import SqlKeys
from paymentagg.adapters.sql.history import SqlHistory
from paymentagg.adapters.sql.repositories import SqlPatients, SqlPayments, SqlSyncs, first_row
from paymentagg.adapters.sql.sessions import SqlSessions
from paymentagg.adapters.sql.statements import NEWEST
from paymentagg.adapters.sql.statistics import SqlStatistics
from paymentagg.domain.ports import Reader


class SqlReader(Reader):
    """See the port Reader."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._opened: Connection | None = None

    @property
    @override
    def patients(self) -> SqlPatients:
        return SqlPatients(self.connection)

    @property
    @override
    def payments(self) -> SqlPayments:
        return SqlPayments(self.connection)

    @property
    @override
    def syncs(self) -> SqlSyncs:
        return SqlSyncs(self.connection)

    @property
    @override
    def history(self) -> SqlHistory:
        return SqlHistory(self.connection)

    @property
    @override
    def statistics(self) -> SqlStatistics:
        return SqlStatistics(self.connection)

    @property
    @override
    def keys(self) -> SqlKeys:
        return SqlKeys(self.connection)

    @property
    @override
    def sessions(self) -> SqlSessions:
        return SqlSessions(self.connection)

    @override
    def reaches(self, sync: int) -> bool:
        # Syncs run one after the other and take their ids meanwhile, so they are committed in the order of their ids.
        newest: int = first_row(self.connection, NEWEST, {})[0]
        return newest >= sync

    @override
    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @property
    def connection(self) -> Connection:
        """The connection, taken from the pool if the reader has none."""
        if self._opened is None:
            self._opened = self._engine.connect()
        return self._opened
