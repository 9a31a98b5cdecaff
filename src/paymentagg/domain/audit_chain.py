"""The audit log: one JSON line per event, each with a hash of what was written before it.

A *whole* line is a JSON object with a ``time`` and a ``previous``. A full disk, or the end of the process while it
writes, leaves a *torn* line. ``previous`` is the SHA-256 of all bytes from the last whole line on, torn lines included
(joined by newlines, without a final one). So the chain continues after a torn line, and covers it too.
"""

import enum
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec


class Outcome(enum.StrEnum):
    """The outcome of a request. If BEGUN is its only line, the process ended before the request did."""

    BEGUN = "begun"
    OK = "ok"
    REFUSED = "refused"
    """The request was at fault."""
    FAILED = "failed"
    """The service was at fault."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the log. No field may hold data of patients or any text that the client chose."""

    time: datetime
    request: str
    """An id shared by all lines of the request, in this log and in the server's."""
    key: str | None
    """The public id of the API key that was used, or that ``paymentagg-keys`` changed."""
    role: str | None
    peer: str | None
    """The client: an IP address, a user of this machine, or ``others`` if the line counts many addresses."""
    method: str | None
    route: str | None
    """The route's pattern, never the path: paths contain ids of patients. None if no route matched."""
    outcome: Outcome
    reason: str | None = None
    """Why the key was refused although its secret was right: ``revoked`` or ``expired``."""
    code: str | None = None
    """The stable name of the error."""
    status: int | None = None
    """The HTTP status, or the command's exit status."""
    practice: str | None = None
    """The practice that it is about, where there are many; None if nobody was let in."""
    kind: str | None = None
    """The operation: read, export, sync, undo, dry-run, replay, verify, key, erase or practice."""
    parameters: list[str] = []
    """Names only, sorted; ``?`` replaces all unknown ones."""
    patient: str | None = None
    """The pseudonym of the one patient who was read or forgotten: see ``Auditor.pseudonym``."""
    counts: dict[str, int | dict[str, int]] = {}
    """The number of ``rows`` returned or erased, or the counts of a sync by model."""
    sync: int | None = None
    """The id of the sync's report."""
    undoes: int | None = None
    """The sync that this one has taken back."""
    digests: dict[str, str] = {}
    """The SHA-256 of each snapshot, by model."""
    count: int | None = None
    """How many refused requests of the same kind this line stands for, besides the one that has its own line."""
    duration: float | None = None
    """Milliseconds."""


class Auditor(Protocol):
    """The port for writing the audit log."""

    def note(self, event: Event, *, durable: bool = False) -> None:
        """Append the event; if ``durable``, it survives a power cut once this method returns.

        Raises:
            AuditUnavailable: the log can't be written.
        """

    def rotate(self, event: Event) -> Path:
        """Start a new file and return the new path of the old one.

        The event becomes the first line of the new file and is chained to the last line of the old one. Concurrent
        writers continue in the new file; no line is lost.

        Raises:
            InvalidParameter: no audit file is configured.
            AuditUnavailable: the files can't be written.
        """

    def pseudonym(self, external_id: str) -> str | None:
        """Return what stands for a patient in the log, 64 hexadecimal digits; None if nothing is recorded.

        It is the HMAC-SHA-256 (RFC 2104) of the external id with a secret kept beside the log, because anyone could try
        all ids with a plain hash.

        Raises:
            AuditUnavailable: the secret can't be read or created.
        """

    def files(self) -> list[Path]:
        """Return the files of the log that are kept in its folder, oldest first.

        Raises:
            InvalidParameter: no audit file is configured.
        """


class Link(msgspec.Struct):
    """The fields that make a line whole."""

    time: datetime
    previous: str | None
    """None for the first line of a chain."""


def linked(event: Event, previous: str | None) -> bytes:
    """Return the event's line, without a newline; ``previous`` is the head of the chain that it follows."""
    return msgspec.json.encode(event)[:-1] + b',"previous":' + msgspec.json.encode(previous) + b"}"


def whole(line: bytes) -> Link | None:
    """Return the link in a line; None if the line is torn."""
    try:
        return msgspec.json.decode(line, type=Link)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


class Finding(enum.Enum):
    """The result of checking one line. BROKEN: this line, or what precedes it, was altered or is missing."""

    FOLLOWS = enum.auto()
    TORN = enum.auto()
    BROKEN = enum.auto()


class Chain:
    """The chain of the lines added so far, which may span several files; add those in order."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = 0
        self.first: Link | None = None
        self.last: Link | None = None
        self._hash = hashlib.sha256()
        for line in lines:
            self.add(line)

    @property
    def head(self) -> str | None:
        """The hash that the next line will hold; None if there is no line yet.

        A copy kept elsewhere makes any later change to the lines so far detectable.
        """
        return self._hash.hexdigest() if self.lines else None

    def add(self, line: bytes) -> Finding:
        """Add the next line, without its newline, and return whether it continues the chain.

        The first line always does: it may continue an earlier file that isn't available.
        """
        link = whole(line)
        if link is None:
            self._hash.update(b"\n" + line if self.lines else line)
            self.lines += 1
            return Finding.TORN
        follows = not self.lines or link.previous == self.head
        self._hash = hashlib.sha256(line)
        self.lines += 1
        self.first = self.first or link
        self.last = link
        return Finding.FOLLOWS if follows else Finding.BROKEN
