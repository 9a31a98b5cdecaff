"""The exit statuses of the console scripts."""

import signal

from paymentagg.domain.errors import (
    DeletionRefused,
    HeldSnapshot,
    InvalidParameter,
    InvalidSnapshot,
    NotUndoable,
    PaymentAggError,
    PracticeArchived,
    RejectedRows,
    SnapshotTooLarge,
    StaleSnapshot,
    StorageUnavailable,
    SyncInProgress,
    SyncNotFound,
)
from paymentagg.domain.report import Report
from paymentagg.entrypoints.console.input_files import UnreadableInput
from paymentagg.entrypoints.console.interruption import Interrupted
from paymentagg.entrypoints.console.rejects_file import RejectsUnwritable

DONE = 0
UNEXPECTED = 1
USAGE = 2
ROWS_REJECTED = 3
DAMAGED = UNEXPECTED
DIFFERENT = ROWS_REJECTED
INTERRUPTED = 128
"""The exit status is this plus the number of the signal, as in shells."""

MEANINGS = {
    DONE: "done",
    UNEXPECTED: "unexpected error; or the report can't be written; `paymentagg-verify`: damage",
    USAGE: "wrong usage or setting",
    ROWS_REJECTED: "done, but rows were rejected; `paymentagg-verify`: the database differs from the files",
    4: "refused by the deletion guard: too many rows would be deleted",
    5: "another sync is running",
    6: "the database can't be used",
    7: "a snapshot can't be read",
    8: "a snapshot is older than the last one that was applied",
    9: "refused by `--strict`, because rows were rejected",
    10: "the snapshot was undone and is held; `--force` takes it",
    INTERRUPTED + signal.SIGINT: "interrupted by SIGINT, such as Ctrl-C",
    INTERRUPTED + signal.SIGTERM: "interrupted by SIGTERM",
}
"""What each exit status means, in Markdown: the documentation prints it."""

_STATUS: dict[type[PaymentAggError], int] = {
    InvalidParameter: USAGE,
    DeletionRefused: 4,
    SyncInProgress: 5,
    StorageUnavailable: 6,
    InvalidSnapshot: 7,
    SnapshotTooLarge: 7,
    UnreadableInput: 7,
    StaleSnapshot: 8,
    RejectedRows: 9,
    HeldSnapshot: 10,
    NotUndoable: USAGE,
    PracticeArchived: USAGE,
    SyncNotFound: USAGE,
    RejectsUnwritable: UNEXPECTED,
}


def status_of_report(report: Report) -> int:
    """Return the exit status of a completed sync."""
    return ROWS_REJECTED if report.rejected else DONE


def status_of_error(error: BaseException) -> int:
    """Return the exit status for an error that ended the script."""
    if isinstance(error, Interrupted):
        return INTERRUPTED + error.signal
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED + signal.SIGINT
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), UNEXPECTED)


def code_of_error(error: BaseException) -> str:
    """Return the stable name of an error for the audit log."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return "interrupted"
    return error.code if isinstance(error, PaymentAggError) else "internal"
