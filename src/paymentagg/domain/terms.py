"""What is asked of a sync or an undo: the snapshots and the options; and the answer that it is done already."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.model import Model, Patient, Payment
from paymentagg.domain.ports import Snapshot
from paymentagg.domain.report import Report


class Snapshots(msgspec.Struct, frozen=True):
    """The snapshots of one sync: of patients, of payments, or of both."""

    patients: Snapshot[Patient] | None = None
    payments: Snapshot[Payment] | None = None


class Previewed(msgspec.Struct, frozen=True):
    """What a dry run has seen: the start of the last sync, and the digests of the snapshots.

    All that is stored follows from the syncs, so the same sync now does what the dry run has reported. ``last_started``
    is aware, or None if there was no sync; an undo has no snapshots.
    """

    last_started: datetime | None
    digests: Mapping[Model, str] = {}


class Terms(msgspec.Struct, frozen=True):
    """The options of a sync."""

    limit: DeletionLimit
    strict: bool = False
    """Refuse the snapshots if any row is rejected."""
    dry_run: bool = False
    """Report what would change, and change nothing."""
    force: bool = False
    """Compare the rows even if the snapshot is byte for byte the last one applied."""
    taken_at: datetime | None = None
    """When the snapshots were taken, aware; None if unknown."""
    key: str | None = None
    """The idempotency key: a sync that was done with it isn't repeated. A dry run ignores it."""
    parameters: str | None = None
    """What was asked for with the key, in a canonical form: the same key with other parameters is refused."""
    by: str | None = None
    """The public id of the API key that the client used; None if it used none."""
    keep_history: bool = True
    """Keep the rows that are updated and deleted as they were, so that the sync can be undone."""
    previewed: Previewed | None = None
    """Apply only if this still holds; None if there was no preview."""


class AlreadyDone(Exception):
    """Not an error: a past sync had the same snapshots and the same idempotency key; ``report`` is that sync's."""

    def __init__(self, report: Report) -> None:
        super().__init__("already done with the same idempotency key")
        self.report = report
