"""The status of a piece of work, as its owner sees it."""

import enum
from collections.abc import Sequence

import msgspec

from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import (
    AuditUnavailable,
    DeletionRefused,
    PaymentAggError,
    PreviewOutdated,
    StorageUnavailable,
    SyncInProgress,
)
from paymentagg.domain.report import Report
from paymentagg.entrypoints.http.errors import InsufficientStorage
from paymentagg.entrypoints.pages.work.preview import Preview, Weighed

_PASSING = (
    AuditUnavailable,
    DeletionRefused,
    InsufficientStorage,
    PreviewOutdated,
    StorageUnavailable,
    SyncInProgress,
)
"""Errors after which another preview of the same files may succeed."""


class Stage(enum.StrEnum):
    """The stages of work, in their order; refused or failed may follow where a job runs."""

    PREVIEWING = "previewing"
    PREVIEWED = "previewed"
    APPLYING = "applying"
    DONE = "done"
    REFUSED = "refused"
    """An expected error: ``Status.refusal``."""
    FAILED = "failed"
    """An unexpected error: ``Status.incident``."""


class Status(msgspec.Struct, frozen=True):
    """What is known in a stage; values are None if the stage has none."""

    stage: Stage
    limit: DeletionLimit | None = None
    """The limit of the last preview; None for an undo."""
    preview: Preview | None = None
    """PREVIEWED, APPLYING."""
    report: Report | None = None
    """DONE: the report of the sync or undo that was committed."""
    refusal: PaymentAggError | None = None
    """REFUSED: why; its message is for the owner."""
    losses: Sequence[Weighed] = ()
    """What would be deleted, of each model: PREVIEWED, APPLYING, and REFUSED by the deletion guard."""
    incident: str | None = None
    """FAILED: the id to look up in the server's log."""
    unchanged: bool = True
    """REFUSED, FAILED: nothing was changed. False if it happened in the commit: then all or nothing was changed."""

    @property
    def is_running(self) -> bool:
        """Whether a job runs."""
        return self.stage in (Stage.PREVIEWING, Stage.APPLYING)

    @property
    def may_preview_again(self) -> bool:
        """Whether the owner may preview again, with another limit."""
        return self.stage is Stage.PREVIEWED or isinstance(self.refusal, _PASSING)

    @property
    def needs_files(self) -> bool:
        """Whether the files are still needed."""
        return self.is_running or self.may_preview_again
