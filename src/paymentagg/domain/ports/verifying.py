"""The port for checking a whole database."""

from collections.abc import Iterator
from typing import Protocol

from paymentagg.domain.ports.syncing import Storage
from paymentagg.domain.verification import Finding, Verified


class Verification(Protocol):
    """One state of the database, in which everything is checked. It takes no lock, and syncs go on meanwhile."""

    def findings(self) -> Iterator[Finding]:
        """Check everything, and yield what doesn't hold.

        Raises:
            StorageUnavailable: the database can't be read, or has the schema of another version.
        """

    def verified(self) -> Verified:
        """Return how many rows there are to check."""

    def storage(self) -> Storage:
        """Return this state as the store of a dry run, which compares snapshots with it. Nothing is written to it."""
