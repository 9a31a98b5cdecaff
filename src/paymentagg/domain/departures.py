"""The port for the patients whom a sync deletes; adapters implement it."""

from collections.abc import Iterator
from typing import Protocol

from paymentagg.domain.changes import Change, Effect


class Departures(Protocol):
    """All patients without an incoming row, and the payments deleted along with them.

    Call begin before the patients are applied, lost before the payments are, changes (optional) and remove after both.
    """

    def begin(self) -> None:
        """Make these patients unknown to payments; without this call no patient is deleted."""

    def lost(self, *, delete: bool) -> int:
        """Return how many of their payments are neither moved to other patients nor, if ``delete``, deleted anyway."""

    def changes(self) -> Iterator[Change]:
        """Yield what remove will do: deletions of payments, then of patients."""

    def remove(self, history: int | None) -> Effect:
        """Delete the payments that they still have, and them, and return the effect; ``history`` is as in Replica."""
