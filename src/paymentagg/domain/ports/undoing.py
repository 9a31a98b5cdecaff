"""What the use case of an undo needs from storage."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from paymentagg.domain.changes import Effect
from paymentagg.domain.model import Model
from paymentagg.domain.report import Report

FIRST_LOAD = 10_000
"""From this many rows on, those that a sync created in an empty store aren't kept when it is undone."""


class DoneSync(msgspec.Struct, frozen=True):
    """A recorded sync that is to be taken back.

    ``last_ids``: the largest id of each model that was stored when it began; None if that wasn't recorded.
    ``kept``: how many rows the history has of each model; payments deleted with their patient are ``dependents`` only.
    ``undone_by``: the sync that has taken it back; None if there is none.
    """

    report: Report
    digests: Mapping[Model, str]
    last_ids: Mapping[Model, int] | None
    kept: Mapping[Model, Effect]
    undone_by: int | None

    def keeps_created(self, model: Model) -> bool:
        """Return whether the rows that it created are kept when they are deleted: not those of a large first load."""
        is_first = self.last_ids is not None and self.last_ids[model] == 0
        part = self.report.models.get(model)
        return not is_first or part is None or part.created < FIRST_LOAD


class Reversal(Protocol):
    """Takes back what a sync has changed."""

    def latest(self) -> int | None:
        """Return the last sync that changed a row, isn't an undo and isn't taken back; None if there is none."""

    def find(self, sync_id: int) -> DoneSync | None:
        """Return a recorded sync; None if there is none with this id."""

    def run(self, done: DoneSync, *, history: int | None) -> Mapping[Model, Effect]:
        """Make all rows, ids, times and totals those before the sync, which must be ``latest``; return the effects.

        Args:
            history: the id of the undo, under which the rows that it updates and deletes are kept; None to keep none.
        """
