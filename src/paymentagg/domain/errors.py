"""The errors that users see, as data. The entry points map them to HTTP statuses and exit codes."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

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


class DeletionRefused(PaymentAggError):
    """A sync would delete more rows than the deletion guard allows. All counts are rows of ``model``."""

    code = "deletion-guard"

    def __init__(self, model: Model, *, stored: int, would_delete: int, limit: int) -> None:
        super().__init__(
            f"this sync would delete {would_delete} of {stored} stored {model.plural}, more than the limit of {limit}; "
            "if the snapshot is right, repeat the sync with a higher max delete"
        )
        self.model = model
        self.stored = stored
        self.would_delete = would_delete
        self.limit = limit


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


class SyncNotFound(PaymentAggError):
    """No sync is recorded under this id."""

    code = "not-found"

    def __init__(self, sync_id: int) -> None:
        super().__init__(f"there is no sync {sync_id}")


class NotUndoable(PaymentAggError):
    """A sync can't be undone; ``latest`` is the one that can be, None if there is none."""

    code = "not-undoable"

    def __init__(self, sync_id: int, reason: str, latest: int | None) -> None:
        instead = "" if latest is None else f"; the sync that can be undone is {latest}"
        super().__init__(f"sync {sync_id} can't be undone: {reason}{instead}")
        self.latest = latest


class StorageUnavailable(PaymentAggError):
    """The database can't be reached or used now. ``reason`` contains no data."""

    code = "database-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database can't be used: {reason}")


class AuditUnavailable(PaymentAggError):
    """The audit log can't be written, so the request is refused. ``reason`` contains no data."""

    code = "audit-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the audit log can't be written: {reason}")
