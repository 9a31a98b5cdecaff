"""What a piece of work does: sync the uploaded snapshots, or take a sync back."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import msgspec

from paymentagg.domain.model import Model, RecordT
from paymentagg.domain.ports import Snapshot, Storage
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Snapshots, Terms
from paymentagg.domain.undo import undo
from paymentagg.entrypoints.pages.work.collector import Follower
from paymentagg.entrypoints.pages.work.progress import Attempt
from paymentagg.entrypoints.pages.work.waiting_files import WaitingFile
from paymentagg.entrypoints.snapshots.byte_stream import Readable, Reading
from paymentagg.entrypoints.snapshots.reader import read_patients, read_payments


class Upload(msgspec.Struct, frozen=True):
    """A sync of the snapshots in these files."""

    files: Mapping[Model, WaitingFile]
    max_bytes: int

    @property
    def name(self) -> str:
        """What it is, for the fingerprint of a preview."""
        return "sync"

    @property
    def kind(self) -> str:
        """What it is in the audit log."""
        return "sync"

    def run(self, storage: Storage, terms: Terms, follower: Follower) -> Report:
        """Sync the snapshots; errors are those of ``synchronize``."""
        snapshots = Snapshots(
            self._snapshot(Model.PATIENT, read_patients, follower.attempt),
            self._snapshot(Model.PAYMENT, read_payments, follower.attempt),
        )
        return synchronize(storage, snapshots, terms, _now, follower)

    def close(self) -> None:
        """Give up the files."""
        for file in self.files.values():
            file.close()

    def _snapshot(
        self, model: Model, read: Callable[[Readable, Reading], Snapshot[RecordT]], attempt: Attempt
    ) -> Snapshot[RecordT] | None:
        """Return the snapshot of a model; its bytes are read twice: first for its digest, without a fraction."""
        file, phase = self.files.get(model), f"reading {model.plural}"
        if file is None:
            return None

        def before_read() -> None:
            attempt.check()
            attempt.enter(phase)

        def progress(count: int) -> None:
            attempt.read(phase, count, file.size)

        return read(file.stream(before_read), Reading(self.max_bytes, form=file.form, on_progress=progress))


class Undo(msgspec.Struct, frozen=True):
    """The undo of a sync."""

    sync: int

    @property
    def name(self) -> str:
        """What it is, for the fingerprint of a preview."""
        return f"undo {self.sync}"

    @property
    def kind(self) -> str:
        """What it is in the audit log."""
        return "undo"

    def run(self, storage: Storage, terms: Terms, follower: Follower) -> Report:
        """Take the sync back; errors are those of ``undo``."""
        follower.attempt.enter(f"{'previewing the undo of' if terms.dry_run else 'undoing'} sync {self.sync}")
        return undo(storage, self.sync, terms, _now, follower)

    def close(self) -> None:
        """Do nothing: there are no files."""


Task = Upload | Undo


def _now() -> datetime:
    return datetime.now(UTC)
