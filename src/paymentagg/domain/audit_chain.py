"""The audit log: who asked for what, and what came of it, in lines of which each holds the hash of the one before.

A line is *whole* where it is a JSON object with a ``previous``; a full disk, or the end of a process in the middle of
writing, leaves a *torn* one. ``previous`` is the SHA-256 of all bytes from the last whole line on, torn ones included:
so the chain goes on over a torn line, and hides nothing.
"""

import enum
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec


class Outcome(enum.StrEnum):
    """What came of it. What has BEGUN and has no other line was cut off by the end of the process."""

    BEGUN = "begun"
    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the log. No field may hold data of patients, nor anything that a client makes up."""

    time: datetime
    request: str
    """An id that the lines of one request share, and its lines in the server's log."""
    key: str | None
    """The public id of the API key."""
    role: str | None
    peer: str | None
    """Where it came from: an address, or a user of this machine."""
    method: str | None
    route: str | None
    """A pattern, never a path: paths hold ids of patients. None where nothing is there."""
    outcome: Outcome
    code: str | None = None
    """The stable name of the error."""
    status: int | None = None
    """Of the HTTP answer, or with which the command exited."""
    kind: str | None = None
    """What was done, or begun: read, export, sync, dry-run, replay."""
    parameters: list[str] = []
    """Names only, sorted; ``?`` stands for those that paymentagg doesn't know."""
    counts: dict[str, int | dict[str, int]] = {}
    sync: int | None = None
    digests: dict[str, str] = {}
    duration: float | None = None
    """Milliseconds."""


class Auditor(Protocol):
    """Keeps events."""

    def note(self, event: Event, *, durable: bool = False) -> None:
        """Append the event; where it is to be ``durable``, it outlasts a power cut from here on.

        Raises:
            AuditUnavailable: it can't be written.
        """

    def rotate(self, event: Event) -> Path:
        """Let a new file go on from the one that is there, and return what that is called now.

        The event is the first line of the new file, and follows the last one of the old file. Whoever appends goes on
        in the new file; no line is lost in between.

        Raises:
            InvalidParameter: there is no file.
            AuditUnavailable: it can't be done.
        """


class Link(msgspec.Struct):
    """What a line must have to be whole."""

    time: datetime
    previous: str | None
    """None: a chain begins here."""


def linked(event: Event, previous: str | None) -> bytes:
    """Return the line of an event that follows what has this hash, without a newline."""
    return msgspec.json.encode(event)[:-1] + b',"previous":' + msgspec.json.encode(previous) + b"}"


def whole(line: bytes) -> Link | None:
    """Return what links a line to the one before, None where the line is torn."""
    try:
        return msgspec.json.decode(line, type=Link)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


class Finding(enum.Enum):
    """What a line is to the chain. BROKEN: this line or what came before is not as it was written."""

    FOLLOWS = enum.auto()
    TORN = enum.auto()
    BROKEN = enum.auto()


class Chain:
    """The lines of a log, through all its files in order, as far as they were added."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = 0
        self.first: Link | None = None
        self.last: Link | None = None
        self._span = hashlib.sha256()
        for line in lines:
            self.add(line)

    @property
    def head(self) -> str | None:
        """The hash that the next line will hold: noted elsewhere, it vouches for all lines so far."""
        return self._span.hexdigest() if self.lines else None

    def add(self, line: bytes) -> Finding:
        """Take the next line in, without its newline. The first one may follow a file that isn't at hand."""
        link = whole(line)
        if link is None:
            self._span.update(b"\n" + line if self.lines else line)
            self.lines += 1
            return Finding.TORN
        follows = not self.lines or link.previous == self.head
        self._span = hashlib.sha256(line)
        self.lines += 1
        self.first = self.first or link
        self.last = link
        return Finding.FOLLOWS if follows else Finding.BROKEN
