"""Reading from a standby, and from the primary what it can't give.

Reads change nothing, so one that has failed can be repeated elsewhere. Once a reader has left the standby it stays with
the primary: its results never go back in time.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar, cast

from sqlalchemy import Engine
from typing_extensions import override

from paymentagg.adapters.sql.reader import SqlReader
from paymentagg.adapters.sql.repositories import first_row
from paymentagg.adapters.sql.standby.state import PATIENCE, NotInRecovery, StandbyState
from paymentagg.adapters.sql.statements import NEWEST_IN_RECOVERY
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.ports import (
    HistoryRepository,
    KeyRepository,
    PatientRepository,
    PaymentRepository,
    Reader,
    SessionRepository,
    StatisticsRepository,
    SyncRepository,
)

T = TypeVar("T")

_SHORTEST, _LONGEST = 0.01, 0.1
"""Seconds between two looks for a sync on the standby: each pause is twice as long as the one before."""

_IS_MISSING: dict[str, Callable[[Any], bool]] = {
    "get": lambda page: not page.items,
    "of_sync": lambda page: page is None,
    "rejections": lambda page: page is None,
}
"""For each method that looks for one thing, whether it has found nothing: it may be too new for the standby."""


class StandbyReader(Reader):
    """See the port Reader. API keys and sessions are those of the primary, so what is revoked ends at once."""

    def __init__(self, state: StandbyState, standby: Engine, primary: Engine) -> None:
        self._state = state
        self._on_primary = SqlReader(primary)
        self._on_standby = SqlReader(standby) if state.is_available else None

    @property
    @override
    def patients(self) -> PatientRepository:
        return cast(PatientRepository, _Repeated(self, "patients"))

    @property
    @override
    def payments(self) -> PaymentRepository:
        return cast(PaymentRepository, _Repeated(self, "payments"))

    @property
    @override
    def syncs(self) -> SyncRepository:
        return cast(SyncRepository, _Repeated(self, "syncs"))

    @property
    @override
    def history(self) -> HistoryRepository:
        return cast(HistoryRepository, _Repeated(self, "history"))

    @property
    @override
    def statistics(self) -> StatisticsRepository:
        return cast(StatisticsRepository, _Repeated(self, "statistics"))

    @property
    @override
    def keys(self) -> KeyRepository:
        return self._on_primary.keys

    @property
    @override
    def sessions(self) -> SessionRepository:
        return self._on_primary.sessions

    @override
    def reaches(self, sync: int) -> bool:
        if self._try(lambda reader: _has(reader, sync)):
            return True
        if not self._on_primary.reaches(sync):
            return False  # nobody has to wait for it
        self._on_primary.close()
        if not self._state.is_late and self._wait_for(sync):
            return True
        self._leave()
        return True

    @override
    def close(self) -> None:
        self._on_primary.close()
        if self._on_standby is not None:
            self._on_standby.close()

    def read(self, method: Callable[[SqlReader], T], is_missing: Callable[[T], bool]) -> T:
        """Return what a method of a repository returns on the standby; on the primary, if it fails or finds nothing."""
        found = self._try(lambda reader: (method(reader),))
        if found is not None and not is_missing(found[0]):
            return found[0]
        self._leave()
        return method(self._on_primary)

    def _wait_for(self, sync: int) -> bool:
        """Wait until the standby has the sync; return False if that takes too long, or the standby is gone."""
        end, seconds, pause = time.monotonic() + PATIENCE, _SHORTEST, Event()
        while self._on_standby is not None and time.monotonic() < end:
            pause.wait(seconds)
            if self._try(lambda reader: _has(reader, sync)):
                return True
            seconds = min(2 * seconds, _LONGEST)
        if self._on_standby is not None:
            self._state.note_late()
        return False

    def _try(self, method: Callable[[SqlReader], T]) -> T | None:
        """Return the result on the standby; leave it and return None if that fails."""
        if self._on_standby is None:
            return None
        try:
            self._state.check_schema(self._on_standby.connection)
            return method(self._on_standby)
        except StorageUnavailable as error:
            self._state.note_failure(error)
            self._leave()
            return None

    def _leave(self) -> None:
        """Read from the primary from now on."""
        if self._on_standby is not None:
            self._on_standby.close()
            self._on_standby = None


class _Repeated:
    """A repository whose reads are repeated on the primary if the standby can't give them."""

    def __init__(self, reader: StandbyReader, name: str) -> None:
        self._reader = reader
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        is_missing = _IS_MISSING.get(method, lambda _: False)

        def repeated(*args: object, **options: object) -> Any:
            def read(reader: SqlReader) -> Any:
                return getattr(getattr(reader, self._name), method)(*args, **options)

            return self._reader.read(read, is_missing)

        return repeated


def _has(reader: SqlReader, sync: int) -> bool:
    """Return whether a standby has the sync; raise NotInRecovery if it is none any more, and may have others."""
    is_standby, newest = first_row(reader.connection, NEWEST_IN_RECOVERY, {})
    if not is_standby:
        raise NotInRecovery
    return bool(newest >= sync)
