"""Counts the refused requests of clients that weren't let in, so that nobody can fill the disk of the audit log.

The first request of each kind is written at once, and whole, so an attack is seen while it lasts and a killed process
loses only counts. Requests of the same kind within the next minute are counted, and the count is written when the
minute is over or the process exits.
"""

import atexit
import logging
import threading
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from paymentagg.domain.audit_chain import Auditor, Event, Outcome
from paymentagg.domain.errors import AuditUnavailable

log = logging.getLogger(__name__)

WINDOW = 60.0
"""The longest time in seconds that a count is kept before it is written."""

MAX_KINDS = 1000
"""Maximum of kinds in memory; above it, requests that differ only in their address are counted together."""

OTHERS = "others"
"""The ``peer`` of a line that counts the requests of many addresses."""


class _Kind(NamedTuple):
    """What counted requests have in common: fields of Event."""

    peer: str | None
    key: str | None
    reason: str | None
    outcome: Outcome
    code: str | None
    status: int | None


class Refusals:
    """Writes the lines of refused requests, and counts repeated ones, in the memory of this process."""

    def __init__(self, auditor: Auditor) -> None:
        self._auditor = auditor
        self._lock = threading.Lock()
        self._counts: dict[_Kind, int] = {}  # how many requests of each kind aren't written
        atexit.register(self.flush)

    def note(self, event: Event) -> None:
        """Write the event if it is the first of its kind, else count it.

        Raises:
            AuditUnavailable: the line can't be written.
        """
        kind = _Kind(event.peer, event.key, event.reason, event.outcome, event.code, event.status)
        with self._lock:
            if kind not in self._counts and len(self._counts) >= MAX_KINDS:
                kind = kind._replace(peer=OTHERS)
            if kind in self._counts:
                self._counts[kind] += 1
                return
        self._auditor.note(event)
        self._add({kind: 0})

    def flush(self) -> None:
        """Write a line for each kind that was counted. What can't be written is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        repeated = {kind: count for kind, count in counts.items() if count}
        try:
            for kind, count in [*repeated.items()]:
                event = Event(
                    datetime.now(UTC),
                    str(uuid.uuid4()),
                    role=None,
                    method=None,
                    route=None,
                    count=count,
                    **kind._asdict(),
                )
                self._auditor.note(event)
                del repeated[kind]
        except AuditUnavailable as error:
            log.warning("%d refused requests aren't in the audit log yet: %s", sum(repeated.values()), error)
            self._add(repeated)

    def _add(self, counts: dict[_Kind, int]) -> None:
        """Add to the counts, and see that they are written within the window."""
        with self._lock:
            if not self._counts:
                timer = threading.Timer(WINDOW, self.flush)
                timer.daemon = True
                timer.start()
            for kind, count in counts.items():
                self._counts[kind] = self._counts.get(kind, 0) + count
