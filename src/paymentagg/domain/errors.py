"""What can go wrong, as data. Which HTTP status or exit code that is, the entry points decide."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from paymentagg.domain.model import Model

if TYPE_CHECKING:
    from paymentagg.domain.report import Report


class PaymentAggError(Exception):
    """An error that the user can be told about; ``code`` is its stable name, ``str()`` its words."""

    code: ClassVar[str]
    is_failure: ClassVar[bool] = False
    """True if the service is at fault (it failed), False if the request is (it was refused)."""


class InvalidParameter(PaymentAggError):
    """A parameter or setting is unknown, repeated or not what it should be."""

    code = "invalid-parameter"

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter


class InvalidSnapshot(PaymentAggError):
    """A snapshot can't be read whole. ``offset`` counts expanded bytes from 0, ``row`` rows from 1."""

    code = "invalid-snapshot"

    def __init__(self, reason: str, *, offset: int | None = None, row: int | None = None) -> None:
        where = [f"row {row}" if row is not None else "", f"byte {offset}" if offset is not None else ""]
        place = ", ".join(filter(None, where))
        super().__init__(f"the snapshot can't be read{f' ({place})' if place else ''}: {reason}")
        self.offset = offset
        self.row = row


class SnapshotTooLarge(PaymentAggError):
    """A snapshot is larger than ``limit`` bytes, as sent or expanded."""

    code = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the snapshot is larger than {limit} bytes, as sent or expanded; "
            "the setting paymentagg.max_upload_bytes says how much may be sent"
        )
        self.limit = limit


class RejectedRows(PaymentAggError):
    """A strict sync met rows that are rejected; ``report`` says which. Nothing is changed."""

    code = "rejected-rows"

    def __init__(self, report: "Report") -> None:
        rejected = "1 row was" if report.rejected == 1 else f"{report.rejected} rows were"
        super().__init__(f"{rejected} rejected, and a strict sync takes all rows or none")
        self.report = report


class DeletionRefused(PaymentAggError):
    """The guard: a sync would delete more than it may. Counts are rows of ``model``."""

    code = "deletion-guard"

    def __init__(self, model: Model, *, stored: int, would_delete: int, limit: int) -> None:
        super().__init__(
            f"this sync would delete {would_delete} of {stored} stored {model.plural}, more than the {limit} it may; "
            "if the snapshot is right, sync it again with a max delete of its own"
        )
        self.model = model
        self.stored = stored
        self.would_delete = would_delete
        self.limit = limit


class Forbidden(PaymentAggError):
    """Who asks may not do this; the words say who may."""

    code = "forbidden"


class SyncInProgress(PaymentAggError):
    """Another sync held the lock for as long as this one was ready to wait."""

    code = "sync-in-progress"

    def __init__(self) -> None:
        super().__init__("another sync is running; try again when it is done")


class IdempotencyMismatch(PaymentAggError):
    """An idempotency key comes with another body than the one it was used with."""

    code = "idempotency-mismatch"

    def __init__(self) -> None:
        super().__init__("this idempotency key was used with another body; use a new key for a new snapshot")


class StaleSnapshot(PaymentAggError):
    """A snapshot was taken before the last one that was applied to ``model``."""

    code = "stale-snapshot"

    def __init__(self, model: Model, taken_at: datetime, last: datetime) -> None:
        super().__init__(
            f"this snapshot of {model.plural} was taken at {taken_at:%Y-%m-%dT%H:%M:%SZ}, before the last one that was "
            f"applied, which was taken at {last:%Y-%m-%dT%H:%M:%SZ}; send a newer one"
        )
        self.model = model


class StorageUnavailable(PaymentAggError):
    """The database can't be reached or used now. ``reason`` names no data."""

    code = "database-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database can't be used: {reason}")


class AuditUnavailable(PaymentAggError):
    """The audit log can't be written, so what would have to stand there isn't done. ``reason`` names no data."""

    code = "audit-unavailable"
    is_failure = True

    def __init__(self, reason: str) -> None:
        super().__init__(f"the audit log can't be written: {reason}")
