"""What a sync tells while it runs."""

import enum
from datetime import datetime

from paymentagg.domain.changes import Change, Rejection
from paymentagg.domain.errors import Loss
from paymentagg.domain.model import Model


class Phase(enum.StrEnum):
    """What a sync does with a model once its snapshot is read."""

    COMPARING = "comparing"
    WRITING = "writing"


class Listener:
    """Receives what happens in a sync; changes only if ``wants_changes``. Override the methods that you need."""

    wants_changes = False
    wants_rows = False  # whether the rows that are rejected when they are compared come as ``RejectedRow``

    def began(self, last_started: datetime | None) -> None:
        """Receive that the lock is held, and when the last sync started; None if there was none."""

    def identified(self, model: Model, digest: str) -> None:
        """Receive the digest of a model's snapshot, before the snapshot is read for comparison."""

    def recognised(self, model: Model, sync_id: int) -> None:
        """Receive that a model's snapshot is that of this past sync again, so that it isn't compared."""

    def entered(self, phase: Phase, model: Model) -> None:
        """Receive that a phase begins; it ends with the sync, or when another phase or snapshot begins."""

    def weighed(self, loss: Loss, allowed: int) -> None:
        """Receive what a model would lose, and how many of its rows may go, before the deletion guard decides."""

    def rejected(self, rejection: Rejection) -> None:
        """Receive a rejected row."""

    def changed(self, change: Change) -> None:
        """Receive a row that is created, updated or deleted."""
