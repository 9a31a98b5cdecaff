"""The report of a sync: counts for each model, and the first rejected rows."""

import heapq
from datetime import datetime

import msgspec

from paymentagg.domain.changes import Change, Created, Deleted, Rejection, Unchanged, Updated
from paymentagg.domain.model import Model

MAX_ERRORS = 100
"""How many rejected rows a report lists; the rest is only counted."""

MAX_KEPT = 10_000
"""How many rejected rows of a sync are kept with its record; the rest is only counted."""


class ModelReport(msgspec.Struct, rename="camel"):
    """The counts of one sync for one model. ``rows == created + updated + unchanged + rejected``."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0
    deletions_suspended: str | None = None

    @property
    def changed(self) -> bool:
        """Whether any row was created, updated or deleted."""
        return bool(self.created or self.updated or self.deleted)

    def __str__(self) -> str:
        """Return the counts in words, as the console prints them after the name of the model."""
        return (
            f"{self.created} created, {self.updated} updated, {self.deleted} deleted, "
            f"{self.unchanged} unchanged, {self.rejected} rejected"
        )

    def count(self, change: Change) -> None:
        """Add one to the count of the change's kind; ``rows`` is counted when the snapshot is read."""
        match change:
            case Created():
                self.created += 1
            case Updated():
                self.updated += 1
            case Unchanged():
                self.unchanged += 1
            case Deleted():
                self.deleted += 1
            case Rejection():
                self.rejected += 1


class Report(msgspec.Struct, rename="camel"):
    """The result of one sync. A model is set if it was synced or lost rows; ``id`` is None for a dry run."""

    id: int | None
    dry_run: bool
    started_at: datetime
    finished_at: datetime
    patients: ModelReport | msgspec.UnsetType = msgspec.UNSET
    payments: ModelReport | msgspec.UnsetType = msgspec.UNSET
    errors: list[Rejection] = []
    errors_omitted: int = 0
    refused: bool | msgspec.UnsetType = msgspec.UNSET
    """True if the sync was strict and is refused because rows were rejected; else not set."""
    undoes: int | msgspec.UnsetType = msgspec.UNSET
    """The sync that this one has taken back; not set if it is no undo."""
    history_erased: int | msgspec.UnsetType = msgspec.UNSET
    """How many rows of the sync's history were erased since, because a patient was forgotten; not set if none were."""

    @property
    def models(self) -> dict[Model, ModelReport]:
        """The reports of the models that are set, patients first."""
        both = {Model.PATIENT: self.patients, Model.PAYMENT: self.payments}
        return {model: part for model, part in both.items() if isinstance(part, ModelReport)}

    @property
    def rejected(self) -> int:
        """How many rows were rejected in all models together."""
        return sum(part.rejected for part in self.models.values())

    @property
    def changed(self) -> bool:
        """Whether any row was created, updated or deleted."""
        return any(part.changed for part in self.models.values())


class Rejections:
    """The first MAX_KEPT rejected rows by model and row, whatever order they are added in; ``count`` counts all."""

    def __init__(self) -> None:
        self.count = 0
        self._heap: list[tuple[tuple[int, int], Rejection]] = []  # the top is the kept row that sorts last

    def add(self, rejection: Rejection) -> None:
        """Count the rejection, and keep it if it is among the first."""
        self.count += 1
        rank = (-_ORDER[rejection.model], -rejection.row)
        if len(self._heap) < MAX_KEPT:
            heapq.heappush(self._heap, (rank, rejection.without_row()))
        elif rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, (rank, rejection.without_row()))

    @property
    def kept(self) -> list[Rejection]:
        """The rejections kept, ordered by model and row."""
        return [rejection for _, rejection in sorted(self._heap, key=lambda item: item[0], reverse=True)]

    @property
    def first(self) -> list[Rejection]:
        """The first MAX_ERRORS of them, which the report lists."""
        return self.kept[:MAX_ERRORS]


_ORDER = {model: position for position, model in enumerate(Model)}
