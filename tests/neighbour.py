"""Another practice in the same database, whose rows nothing that is done in the first one shows or changes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from builders import patient, payment
from kept import rows
from postgres import SOUTH
from practice import Practice
from stores import SqlStore

CANARIES = ("neighbour-id", "Neighbourly", "918273.64")
"""What only its rows have."""


@contextmanager
def neighbour(practices_url: str) -> Iterator[None]:
    """Store rows in SOUTH for the block, and check afterwards that they are the same."""
    with closing(SqlStore(practices_url, practice=SOUTH)) as store:
        practice = Practice(store)
        store.empty()
        practice.sync(patients=[patient(CANARIES[0], last_name=CANARIES[1])])
        practice.sync(payments=[payment(CANARIES[0], CANARIES[0], CANARIES[2])])
        before = (rows(store), practice.answers())
        yield
        assert (rows(store), practice.answers()) == before
