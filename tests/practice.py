"""A practice with its data, for tests of syncs without HTTP or console: in memory, or in another store."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Generic

import msgspec

from builders import batch
from paymentagg.domain.batches import Batch
from paymentagg.domain.changes import Change, Rejection
from paymentagg.domain.deletion_guard import DeletionLimit
from paymentagg.domain.errors import Loss
from paymentagg.domain.history import RowChange, SyncChangesQuery
from paymentagg.domain.listener import Listener, Phase
from paymentagg.domain.model import Model, Patient, Payment, RecordT
from paymentagg.domain.queries import PatientQuery, PatientView, PaymentQuery, PaymentView
from paymentagg.domain.report import Report
from paymentagg.domain.synchronization import synchronize
from paymentagg.domain.terms import Previewed, Snapshots, Terms
from paymentagg.domain.undo import undo
from stores import MemoryStore, Store

MANY = 1_000_000


class Practice:
    """Stored patients and payments, and methods to sync and read them. Reading its clock advances it by a second."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def sync(
        self,
        *,
        patients: Iterable[Patient | Rejection] | None = None,
        payments: Iterable[Payment | Rejection] | None = None,
        limit: str = "100%",
        floor: int = 0,
        strict: bool = False,
        dry_run: bool = False,
        force: bool = False,
        taken_at: datetime | None = None,
        key: str | None = None,
        parameters: str | None = None,
        by: str | None = None,
        keep_history: bool = True,
        previewed: Previewed | None = None,
        digest: str | None = None,
        listener: Listener | None = None,
    ) -> Report:
        """Sync snapshots, each given as its valid records and the rows that the reader rejected."""
        snapshots = Snapshots(
            None if patients is None else Given(snapshot(patients), digest=digest),
            None if payments is None else Given(snapshot(payments), digest=digest),
        )
        terms = Terms(
            DeletionLimit.parse(limit, floor=floor),
            strict=strict,
            dry_run=dry_run,
            force=force,
            taken_at=taken_at,
            key=key,
            parameters=parameters,
            by=by,
            keep_history=keep_history,
            previewed=previewed,
        )
        with self.store.transaction() as transaction:
            return synchronize(transaction, snapshots, terms, self.clock, listener)

    def undo(self, sync_id: int | None, *, listener: Listener | None = None, **options: Any) -> Report:
        """Undo a sync; the options are those of Terms."""
        terms = Terms(DeletionLimit.parse("0", floor=0), **options)
        with self.store.transaction() as transaction:
            return undo(transaction, sync_id or 0, terms, self.clock, listener)

    def clock(self) -> datetime:
        """Return a time one second after the last one."""
        self.now += timedelta(seconds=1)
        return self.now

    def found(self, query: PatientQuery) -> tuple[list[str], bool]:
        """Return the external ids of a page of patients, and whether more follow."""
        with self.store.reading() as reader:
            page = reader.patients.page(query)
        return [view.external_id for view in page.items], page.more

    def changes(self, sync: int | None, **criteria: Any) -> list[RowChange]:
        """Return all changes of a sync that match the criteria, which are those of SyncChangesQuery."""
        assert sync is not None
        with self.store.reading() as reader:
            page = reader.history.of_sync(SyncChangesQuery(sync, **criteria))
        assert page is not None
        assert not page.more
        return page.items

    @property
    def patients(self) -> dict[str, PatientView]:
        """The stored patients by external id, in the order of their ids."""
        with self.store.reading() as reader:
            return {view.external_id: view for view in reader.patients.page(PatientQuery(limit=MANY)).items}

    @property
    def payments(self) -> dict[str, PaymentView]:
        """The stored payments by external id, in the order of their ids."""
        with self.store.reading() as reader:
            return {view.external_id: view for view in reader.payments.page(PaymentQuery(limit=MANY)).items}

    @property
    def syncs(self) -> list[Report]:
        """The reports of past syncs, newest first."""
        with self.store.reading() as reader:
            return reader.syncs.page(limit=MANY).items

    @property
    def totals(self) -> dict[str, str]:
        """The payment totals by the patient's external id."""
        return {view.external_id: str(view.payment_total) for view in self.patients.values()}

    @property
    def rows(self) -> list[object]:
        """All patients with their totals, then all payments, in order, with 0 for surrogate ids."""
        return [msgspec.structs.replace(view, id=0) for view in (*self.patients.values(), *self.payments.values())]

    def answers(self) -> list[object]:
        """Return all rows and reports in order, with 0 for surrogate ids: a refused sync may use some up."""
        return [*self.rows, *(msgspec.structs.replace(report, id=0) for report in self.syncs)]


class Given(Generic[RecordT]):
    """A snapshot that consists of these batches; see the port Snapshot."""

    def __init__(self, *batches: Batch[RecordT], digest: str | None = None) -> None:
        self._batches: tuple[Batch[RecordT], ...] = batches
        self._digest = digest

    def digest(self) -> str | None:
        return self._digest

    def __iter__(self) -> Iterator[Batch[RecordT]]:
        return iter(self._batches)


class Heard(Listener):
    """A listener that records all that it hears."""

    wants_changes = True

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []
        self.changes: list[Change] = []
        self.phases: list[tuple[Phase, Model]] = []
        self.recognitions: list[tuple[Model, int]] = []
        self.begun: list[datetime | None] = []
        self.digests: dict[Model, str] = {}
        self.losses: list[tuple[Loss, int]] = []

    @property
    def previewed(self) -> Previewed:
        """What the sync has seen."""
        return Previewed(self.begun[-1], self.digests)

    def began(self, last_started: datetime | None) -> None:
        self.begun.append(last_started)

    def identified(self, model: Model, digest: str) -> None:
        self.digests[model] = digest

    def weighed(self, loss: Loss, allowed: int) -> None:
        self.losses.append((loss, allowed))

    def recognised(self, model: Model, sync_id: int) -> None:
        self.recognitions.append((model, sync_id))

    def entered(self, phase: Phase, model: Model) -> None:
        self.phases.append((phase, model))

    def rejected(self, rejection: Rejection) -> None:
        self.rejections.append(rejection)

    def changed(self, change: Change) -> None:
        self.changes.append(change)


def snapshot(rows: Iterable[RecordT | Rejection]) -> Batch[RecordT]:
    """Return one batch of these records and rejections."""
    rows = list(rows)
    rejections = [row for row in rows if isinstance(row, Rejection)]
    return batch([row for row in rows if not isinstance(row, Rejection)], rejections)
