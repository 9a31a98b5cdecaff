"""The report of a sync: what happened, in counts that add up, and the first rejected rows."""

import heapq
from datetime import datetime

import msgspec

from paymentagg.domain.changes import Change, Created, Deleted, Rejection, Unchanged, Updated
from paymentagg.domain.model import Model

MAX_ERRORS = 100
"""How many rejected rows a report lists; the rest is counted."""


class ModelReport(msgspec.Struct, rename="camel"):
    """What one sync did to one model. ``rows == created + updated + unchanged + rejected``."""

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
    """What one sync did. A model is there when it was synced or lost rows; ``id`` is None for a dry run."""

    id: int | None
    dry_run: bool
    started_at: datetime
    finished_at: datetime
    patients: ModelReport | msgspec.UnsetType = msgspec.UNSET
    payments: ModelReport | msgspec.UnsetType = msgspec.UNSET
    errors: list[Rejection] = []
    errors_omitted: int = 0

    @property
    def models(self) -> dict[Model, ModelReport]:
        """The reports of the models that are there, patients first."""
        both = {Model.PATIENT: self.patients, Model.PAYMENT: self.payments}
        return {model: part for model, part in both.items() if isinstance(part, ModelReport)}

    @property
    def rejected(self) -> int:
        """How many rows were rejected, all models together."""
        return sum(part.rejected for part in self.models.values())

    @property
    def changed(self) -> bool:
        """Whether any row was created, updated or deleted."""
        return any(part.changed for part in self.models.values())


class Rejections:
    """The first MAX_ERRORS rejected rows in the order of model and row, whatever the order they are found in."""

    def __init__(self) -> None:
        self.count = 0
        self._heap: list[tuple[tuple[int, int], Rejection]] = []  # the last one kept is on top

    def add(self, rejection: Rejection) -> None:
        self.count += 1
        place = (-_ORDER[rejection.model], -rejection.row)
        if len(self._heap) < MAX_ERRORS:
            heapq.heappush(self._heap, (place, rejection))
        elif place > self._heap[0][0]:
            heapq.heapreplace(self._heap, (place, rejection))

    @property
    def first(self) -> list[Rejection]:
        return [rejection for _, rejection in sorted(self._heap, key=lambda item: item[0], reverse=True)]


_ORDER = {model: place for place, model in enumerate(Model)}
