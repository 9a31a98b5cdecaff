"""The errors that users see, as data. The entry points map them to HTTP statuses and exit codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import msgspec

from paymentagg.domain.model import Model

if TYPE_CHECKING:
    from paymentagg.domain.report import Report


class PaymentAggError(Exception):
    """An error that is reported to the user; ``str()`` is its message."""

    code: ClassVar[str]
    """The stable name of the error."""
    is_failure: ClassVar[bool] = False
    """True if the service is at fault (it failed), False if the request is (it was refused)."""


class InvalidParameter(PaymentAggError):
    """A parameter or setting is unknown, repeated or has an invalid value."""

    code = "invalid-parameter"

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter


class InvalidSnapshot(PaymentAggError):
    """A snapshot can't be read whole. ``offset`` counts expanded bytes from 0, ``row`` is as in a rejection."""

    code = "invalid-snapshot"

    def __init__(self, reason: str, *, offset: int | None = None, row: int | None = None) -> None:
        parts = [f"row {row}" if row is not None else "", f"byte {offset}" if offset is not None else ""]
        place = ", ".join(filter(None, parts))
        super().__init__(f"the snapshot can't be read{f' ({place})' if place else ''}: {reason}")
        self.offset = offset
        self.row = row


class SnapshotTooLarge(PaymentAggError):
    """A snapshot is larger than ``limit`` bytes, as sent or expanded."""

    code = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the snapshot is larger than {limit} bytes, as sent or expanded; "
            "to allow more, raise the setting paymentagg.max_upload_bytes"
        )
        self.limit = limit


class RejectedRows(PaymentAggError):
    """A strict sync was refused because rows were rejected; ``report`` lists them. Nothing was changed."""

    code = "rejected-rows"

    def __init__(self, report: "Report") -> None:
        rejected = "1 row was" if report.rejected == 1 else f"{report.rejected} rows were"
        super().__init__(
            f"{rejected} rejected, so the strict sync was refused; correct the rows, or sync without strict"
        )
        self.report = report


class Loss(msgspec.Struct, frozen=True):
    """How many of the ``stored`` rows of a model a sync would delete."""

    model: Model
    stored: int
    would_delete: int

    def __str__(self) -> str:
        """Return the counts in words, for messages."""
        return f"{self.would_delete:,} of {self.stored:,} {self.model.plural}"


class DeletionRefused(PaymentAggError):
    """A sync would delete more rows than the deletion guard allows.

    The message names all that it would delete; how a higher limit is given is for the entry points to add.

    Args:
        losses: all that the sync would delete.
        refused: the first of them that is more than allowed; the counts of the error are those of its model.
        limit: how many rows of that model may be deleted.
        share: the percentage that the limit is of the stored rows; None if it is a count.
    """

    code = "deletion-guard"

    def __init__(self, losses: Sequence[Loss], refused: Loss, *, limit: int, share: str | None = None) -> None:
        per_cent = f" ({share})" if share else ""
        super().__init__(
            f"{' and '.join(map(str, losses))} would be deleted, "
            f"and at most {limit:,} {refused.model.plural}{per_cent} may be"
        )
        self.model = refused.model
        self.stored = refused.stored
        self.would_delete = refused.would_delete
        self.limit = limit
        self.needed = max(loss.would_delete for loss in losses)
        """The count that, as the limit, allows this sync."""


class Forbidden(PaymentAggError):
    """The caller may not do this; the message says who may."""

    code = "forbidden"


class SyncInProgress(PaymentAggError):
    """Another sync held the lock for as long as this one could wait."""

    code = "sync-in-progress"

    def __init__(self) -> None:
        super().__init__("another sync is running; try again when it is done")


class IdempotencyMismatch(PaymentAggError):
    """An idempotency key was sent with another body, other parameters or another path than it was first used with."""

    code = "idempotency-mismatch"

    def __init__(self) -> None:
        super().__init__(
            "this idempotency key was used with another body, other parameters or another path; "
            "use a new key for a new request"
        )


class StaleSnapshot(PaymentAggError):
    """A snapshot was taken before the last one that was applied to ``model``."""

    code = "stale-snapshot"

    def __init__(self, model: Model, taken_at: datetime, last: datetime) -> None:
        super().__init__(
            f"this snapshot of {model.plural} was taken at {taken_at:%Y-%m-%dT%H:%M:%SZ}, before the last one applied, "
            f"which was taken at {last:%Y-%m-%dT%H:%M:%SZ}; send a newer one"
        )
        self.model = model


class HeldSnapshot(PaymentAggError):
    """A snapshot was applied by a sync that was undone; it is held until a sync takes it by force."""

    code = "held-snapshot"

    def __init__(self, model: Model, sync_id: int, undone_at: datetime) -> None:
        super().__init__(
            f"this snapshot of {model.plural} was applied by sync {sync_id}, which was undone at "
            f"{undone_at:%Y-%m-%dT%H:%M:%SZ}; send another one, or take it with paymentagg-sync --force"
        )
        self.model = model
        self.sync_id = sync_id
        self.undone_at = undone_at


class PreviewOutdated(PaymentAggError):
    """The last sync or a snapshot isn't the one that the preview has seen; nothing is changed."""

    code = "preview-outdated"

    def __init__(self) -> None:
        super().__init__("the data has changed since the preview; preview again")


class SyncNotFound(PaymentAggError):
    """No sync is recorded under this id; ``latest`` is the next to undo, None if there is none."""

    code = "not-found"

    def __init__(self, sync_id: int, latest: int | None) -> None:
        super().__init__(f"there is no sync {sync_id}{_instead(latest)}")


class NotUndoable(PaymentAggError):
    """A sync can't be undone; ``latest`` is the next in turn, None if there is none. Its history may be gone too."""

    code = "not-undoable"

    def __init__(self, sync_id: int, reason: str, latest: int | None) -> None:
        super().__init__(f"sync {sync_id} can't be undone: {reason}{_instead(latest)}")
        self.latest = latest


def _instead(latest: int | None) -> str:
    return "" if latest is None else f"; the next one to undo is sync {latest}"


class StorageUnavailable(PaymentAggError):
    """The database can't be reached or used now. ``reason`` contains no data."""

    code = "database-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database can't be used: {reason}")


class PracticeNotFound(StorageUnavailable):
    """There is no practice of this name, or its schema lacks its tables."""

    def __init__(self, practice: str) -> None:
        super().__init__(f"there is no practice {practice}; paymentagg-practices list shows all")


class PracticeArchived(PaymentAggError):
    """A practice is read-only, so nothing was changed."""

    code = "practice-archived"

    def __init__(self, practice: str) -> None:
        super().__init__(f"the practice {practice} is archived: it can be read, and nothing in it can be changed")


class AuditUnavailable(PaymentAggError):
    """The audit log can't be written, so the request is refused. ``reason`` contains no data."""

    code = "audit-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the audit log can't be written: {reason}")
