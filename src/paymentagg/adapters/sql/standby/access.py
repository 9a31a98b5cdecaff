"""A standby as it is read: pages and exports, and those of one of many practices."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from sqlalchemy import Engine

from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.standby.export import StandbyExport
from paymentagg.adapters.sql.standby.reader import StandbyReader
from paymentagg.adapters.sql.standby.state import StandbyState
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.ports import Export


class Standby:
    """Reads from a standby, and from its primary what the standby can't give.

    Args:
        readers: the pool of connections to the standby.
        primary: the pool for reading from the primary.
        open_export: opens an export over one of these pools.
        has_schema: whether the tables are found without a practice.
    """

    def __init__(
        self, readers: Engine, primary: Engine, open_export: Callable[[Engine], SqlExport], *, has_schema: bool
    ) -> None:
        self._readers = readers
        self._primary = primary
        self._open_export = open_export
        self._state = StandbyState(readers, primary, has_schema=has_schema)

    def of(self, options: Mapping[str, Any]) -> "Standby":
        """Return the standby for the practice in these execution options; what is known about the server is shared."""
        one = copy(self)
        one._readers = self._readers.execution_options(**options)
        one._primary = self._primary.execution_options(**options)
        return one

    @property
    def readers(self) -> Engine:
        """The pool of connections to the standby."""
        return self._readers

    @property
    def is_available(self) -> bool:
        """Whether it can be read now."""
        return self._state.is_available

    def reader(self) -> StandbyReader:
        """Return the repositories for reading."""
        return StandbyReader(self._state, self._readers, self._primary)

    def export(self, min_sync: int | None) -> Export:
        """Return an export of one state, which includes the sync with this id."""
        if self._state.is_available:
            try:
                return self._export_here(min_sync)
            except StorageUnavailable as error:
                self._state.note_failure(error)
        return self._open_export(self._primary)

    def _export_here(self, min_sync: int | None) -> Export:
        """Return an export of the standby.

        Raises:
            StorageUnavailable: it can't be opened, or lacks the sync.
        """
        export = self._open_export(self._readers)
        try:
            self._state.check_schema(export.connection)
            if min_sync is not None and not export.has(min_sync):
                raise StorageUnavailable("the replica lacks a sync")
        except BaseException:
            export.close()
            raise
        return StandbyExport(self._state, export, lambda: self._open_export(self._primary))
