"""What jobs hear of a sync: its phases and digests; for a preview, its changes too."""

from datetime import datetime

import msgspec

from paymentagg.domain.changes import Change, Created, Deleted, Rejection, Unchanged, Updated
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Loss
from paymentagg.domain.history import ChangeKind
from paymentagg.domain.listener import Listener, Phase
from paymentagg.domain.model import Model, Payment
from paymentagg.domain.money import to_cents
from paymentagg.domain.report import Report
from paymentagg.domain.terms import Previewed
from paymentagg.entrypoints.audit_trail import AuditTrail
from paymentagg.entrypoints.pages.work import change_lines
from paymentagg.entrypoints.pages.work.change_lines import KINDS, RowChanged
from paymentagg.entrypoints.pages.work.preview import LargestLoss, Preview, Weighed, fingerprint
from paymentagg.entrypoints.pages.work.progress import Attempt
from paymentagg.entrypoints.pages.work.records_file import RecordsFile

FIRST = 50
"""How many changes of each model and kind are kept in memory, for the page of the preview."""

MAX_PATIENTS = 200_000
"""For how many patients the change of their payments' sum is added up: one integer each, about 30 MB in all."""

_encode = msgspec.json.Encoder().encode
_rejection = msgspec.json.Decoder(Rejection).decode


class Follower(Listener):
    """Passes the digests of the snapshots to the audit log and the phases to those who wait."""

    def __init__(self, trail: AuditTrail, attempt: Attempt) -> None:
        self.attempt = attempt
        self._trail = trail

    def identified(self, model: Model, digest: str) -> None:
        """Note the digest in the audit log."""
        self._trail.identified(model, digest)

    def entered(self, phase: Phase, model: Model) -> None:
        """Show the phase."""
        self.attempt.enter(f"{phase} {model.plural}")


class Collector(Follower):
    """Collects what a preview shows. Closing it gives up its files, unless ``preview`` has passed them on.

    Args:
        losses: receives what each model would lose, also if the guard then refuses it.

    Raises:
        InsufficientStorage: the disk is full.
    """

    wants_changes = True

    def __init__(self, trail: AuditTrail, attempt: Attempt, losses: list[Weighed]) -> None:
        super().__init__(trail, attempt)
        self._losses = losses
        self._last_started: datetime | None = None
        self._digests: dict[Model, str] = {}
        self._recognised: dict[Model, int] = {}
        self._first: dict[tuple[Model, ChangeKind], list[RowChanged]] = {}
        self._sums = SumChanges(MAX_PATIENTS)
        self._changes: RecordsFile[RowChanged] = RecordsFile(change_lines.encode, change_lines.decode)
        self._rejections: RecordsFile[Rejection] = RecordsFile(_encode, _rejection)

    def began(self, last_started: datetime | None) -> None:
        """Keep which sync was the last one."""
        self._last_started = last_started

    def identified(self, model: Model, digest: str) -> None:
        """Keep the digest too."""
        super().identified(model, digest)
        self._digests[model] = digest

    def recognised(self, model: Model, sync_id: int) -> None:
        """Keep which sync had the snapshot."""
        self._recognised[model] = sync_id

    def entered(self, phase: Phase, model: Model) -> None:
        """Show the phase; a dry run writes only to count what is written, and to roll it back."""
        self.attempt.check()
        words = "counting the changes of" if phase is Phase.WRITING else phase
        self.attempt.enter(f"{words} {model.plural}")

    def weighed(self, loss: Loss, allowed: int) -> None:
        """Keep the loss."""
        self._losses.append(Weighed(loss, allowed))

    def rejected(self, rejection: Rejection) -> None:
        """Write the rejected row to its file."""
        self._rejections.write(rejection)

    def changed(self, change: Change) -> None:
        """Write the change to its file, keep it if it is among the first, and add up what patients lose."""
        if isinstance(change, Unchanged | Rejection):
            return
        self.attempt.check()
        self._changes.write(change)
        first = self._first.setdefault((change.model, KINDS[type(change)]), [])
        if len(first) < FIRST:
            first.append(change)
        if change.model is Model.PAYMENT:
            self._sums.add(change)

    def preview(self, task: str, limit: DeletionLimit | None, report: Report) -> Preview:
        """Return all that was collected, for this report; ``task`` and ``limit`` are as in ``fingerprint``.

        Raises:
            InsufficientStorage: the disk is full.
        """
        self._changes.finish()
        self._rejections.finish()
        previewed = Previewed(self._last_started, self._digests)
        return Preview(
            report=report,
            previewed=previewed,
            fingerprint=fingerprint(task, limit, previewed),
            limit=limit,
            first=self._first,
            recognised=self._recognised,
            largest_loss=self._sums.largest_loss,
            largest_loss_known=self._sums.is_known,
            all_changes=self._changes,
            all_rejections=self._rejections,
        )

    def close(self) -> None:
        """Give up the files."""
        self._changes.close()
        self._rejections.close()


class SumChanges:
    """By how many cents the sum of each patient's payments changes, for up to ``limit`` patients; else for none."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cents: dict[str, int] = {}
        self.is_known = True

    def add(self, change: RowChanged) -> None:
        """Add the change of a payment."""
        if not self.is_known:
            return
        if isinstance(change, Updated | Deleted):
            self._add(change.before, -1)
        if isinstance(change, Updated | Created):
            self._add(change.after, 1)
        if len(self._cents) > self._limit:
            self._cents.clear()
            self.is_known = False

    @property
    def largest_loss(self) -> LargestLoss | None:
        """The patient whose sum falls most; None if none falls, or if they were too many."""
        patient = min(self._cents, key=self._cents.__getitem__, default=None)
        if patient is None or self._cents[patient] >= 0:
            return None
        return LargestLoss(patient, self._cents[patient])

    def _add(self, row: object, sign: int) -> None:
        if isinstance(row, Payment):
            self._cents[row.patient_id] = self._cents.get(row.patient_id, 0) + sign * to_cents(row.amount)
