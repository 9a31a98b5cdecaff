"""Exports from a standby. What fails there goes on at the primary, if that has the same rows."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from typing_extensions import override

from paymentagg.adapters.sql.export import SqlExport
from paymentagg.adapters.sql.standby.state import StandbyState
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.domain.ports import Export
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView

T = TypeVar("T")


class StandbyExport(Export):
    """See the port Export."""

    def __init__(self, state: StandbyState, on_standby: SqlExport, open_primary: Callable[[], SqlExport]) -> None:
        self._state = state
        self._open_primary: Callable[[], SqlExport] | None = open_primary
        self._export = on_standby
        self._has_given = False

    @property
    @override
    def version(self) -> str:
        return self._export.version

    @override
    def patients(self, query: PatientQuery) -> Iterator[list[PatientView]]:
        return self._batches(lambda export: export.patients(query))

    @override
    def payments(self, query: PaymentQuery) -> Iterator[list[PaymentView]]:
        return self._batches(lambda export: export.payments(query))

    @override
    def close(self) -> None:
        self._export.close()

    def _batches(self, find: Callable[[SqlExport], Iterator[list[T]]]) -> Iterator[list[T]]:
        given, batches = 0, find(self._export)
        while True:
            try:
                batch = next(batches, None)
            except StorageUnavailable as error:
                self._go_on_at_primary(error)
                batches = _after(given, find(self._export))
                continue
            if batch is None:
                return
            given += len(batch)
            self._has_given = True
            yield batch

    def _go_on_at_primary(self, error: StorageUnavailable) -> None:
        """Replace the export by one of the primary.

        Raises:
            StorageUnavailable: that has other rows than those which were given already, or isn't available either.
        """
        self._state.note_failure(error)
        if self._open_primary is None:
            raise error
        open_primary, self._open_primary = self._open_primary, None
        other = open_primary()
        if self._has_given and other.version != self._export.version:
            other.close()
            raise error
        self._export.close()
        self._export = other


def _after(number: int, batches: Iterator[list[T]]) -> Iterator[list[T]]:
    """Yield the rows after so many of them, whose order is the same in each export of one version."""
    for batch in batches:
        if number < len(batch):
            yield batch[number:] if number else batch
        number = max(0, number - len(batch))
