"""The practices of a database that has many."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from paymentagg.domain.errors import PaymentAggError
from paymentagg.domain.practices import Practice


class PracticeRegistry(Protocol):
    """The practices of a database. Each change of one is a transaction of its own; names are valid ones."""

    def all(self) -> list[Practice]:
        """Return all practices, ordered by name."""

    def create(self, name: str) -> None:
        """Create a practice without data, which the server and syncs can use.

        Raises:
            InvalidParameter: the name is taken.
        """

    def archive(self, name: str) -> None:
        """Make a practice read-only: every later sync raises PracticeArchived.

        Raises:
            PracticeNotFound: there is none.
            SyncInProgress: a sync of it is running.
        """

    def migrate(self, names: Sequence[str], *, jobs: int = 1) -> Iterator[tuple[str, PaymentAggError | None]]:
        """Bring practices to the newest revision, so many side by side; yield each when it is done, with its error.

        What is at the newest revision already is left as it is, so an interrupted call can be repeated.
        """
