"""Reading a snapshot: counts its rows, and decides whether missing rows may be deleted."""

from collections.abc import Callable, Iterator

from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import RecordT
from paymentagg.domain.ports import Snapshot
from paymentagg.domain.report import ModelReport


class SnapshotReader:
    """Reads a snapshot, counts its rows and reports the rejected ones."""

    def __init__(self, part: ModelReport, reject: Callable[[Rejection], None]) -> None:
        self._part = part
        self._reject = reject
        self._has_unreadable_id = False

    def batches(self, snapshot: Snapshot[RecordT]) -> Iterator[Batch[RecordT]]:
        """Yield the batches of the snapshot."""
        for batch in snapshot:
            self._part.rows += len(batch.numbers) + len(batch.rejections)
            self._part.rejected += len(batch.rejections)
            for rejection in batch.rejections:
                self._has_unreadable_id |= rejection.external_id is None
                self._reject(rejection)
            yield batch

    def suspension_reason(self) -> str | None:
        """Return why missing rows must not be deleted; None if they may be. Call it when all rows are decided."""
        if self._has_unreadable_id:
            return "unreadable-external-id"
        if 2 * self._part.rejected > self._part.rows:
            return "mostly-rejected"
        return None
