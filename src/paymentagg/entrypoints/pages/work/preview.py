"""The result of a preview: what an upload or an undo would change."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Loss
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.model import Model
from paymentagg.domain.report import Report
from paymentagg.domain.terms import Previewed
from paymentagg.entrypoints.pages.work.change_lines import RowChanged
from paymentagg.entrypoints.pages.work.records_file import RecordsFile


class Weighed(msgspec.Struct, frozen=True):
    """What a model would lose, and how many of its rows may be deleted."""

    loss: Loss
    allowed: int


class LargestLoss(msgspec.Struct, frozen=True):
    """The patient whose payments' sum falls most: the external id, and the change of the sum in cents, below 0."""

    patient: str
    cents: int


class Preview(msgspec.Struct, frozen=True):
    """What a dry run has seen and would do; of an undo only the report, with the counts.

    ``first``: the first changes of each model and kind. ``recognised``: for each model whose snapshot is that of a past
    sync again, and isn't compared, the sync's id. ``largest_loss`` is None if no sum falls, or if too many are
    concerned: then it isn't known.
    """

    report: Report
    previewed: Previewed
    fingerprint: str
    """A text that identifies what is previewed, see ``fingerprint``."""
    limit: DeletionLimit | None
    """The limit on deletions; None for an undo, to which none applies."""
    first: Mapping[tuple[Model, ChangeKind], Sequence[RowChanged]]
    recognised: Mapping[Model, int]
    largest_loss: LargestLoss | None
    largest_loss_known: bool
    all_changes: RecordsFile[RowChanged]
    all_rejections: RecordsFile[Rejection]

    def changes(self) -> Iterator[RowChanged]:
        """Return all changes, in bounded memory; they can be read to their end even if the work ends meanwhile.

        Raises:
            NothingWaiting: the work has ended.
        """
        return self.all_changes.read()

    def rejections(self) -> Iterator[Rejection]:
        """Return all rejected rows, as ``changes`` does."""
        return self.all_rejections.read()

    def close(self) -> None:
        """Give up the files. May be called more than once."""
        self.all_changes.close()
        self.all_rejections.close()


def fingerprint(task: str, limit: DeletionLimit | None, previewed: Previewed) -> str:
    """Return a text that identifies what is previewed, in 64 hexadecimal digits.

    Args:
        task: what is done, such as ``sync`` or ``undo 41``.
    """
    return hashlib.sha256(msgspec.json.encode([task, limit, previewed], order="sorted")).hexdigest()
