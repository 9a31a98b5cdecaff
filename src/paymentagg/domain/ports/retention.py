"""Erasing what past syncs have left."""

from datetime import datetime
from typing import Protocol

import msgspec


class Erased(msgspec.Struct, frozen=True):
    """How many rows were erased: changes, rejected rows, and the errors in reports that were emptied."""

    changes: int = 0
    rejections: int = 0
    errors: int = 0

    def __add__(self, other: "Erased") -> "Erased":
        """Return the sums."""
        return Erased(self.changes + other.changes, self.rejections + other.rejections, self.errors + other.errors)


class Retention(Protocol):
    """Erases the changes and the rejected rows of past syncs. No sync runs until the transaction ends."""

    def prune(self, before: datetime) -> Erased | None:
        """Erase those of the oldest sync that started before this time and still has some; None if there is none."""

    def is_stored(self, external_id: str) -> bool:
        """Return whether a patient with this external id is stored."""

    def forget(self, external_id: str) -> Erased:
        """Erase what names a patient who isn't stored, or their payments, whatever the sync.

        Their changes and rejected rows are erased. In reports, the errors about them lose external id and value, and
        their counts stay. A payment that is stored, since it has become another patient's, keeps what is theirs.
        """
