"""Transactions outside of HTTP requests, to which pyramid_tm gives theirs: for console scripts and background jobs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from transaction import TransactionManager


@contextmanager
def committed(before_commit: Callable[[], None] = lambda: None) -> Iterator[TransactionManager]:
    """Run the block in a transaction: commit it, or abort it if the block raises an error or dooms it."""
    manager = TransactionManager(explicit=True)
    manager.begin()
    try:
        yield manager
        if manager.isDoomed():
            manager.abort()
        else:
            before_commit()
            manager.commit()
    except BaseException:
        with suppress(Exception):  # report the first error; a failed rollback doesn't commit anything
            manager.abort()
        raise
