"""One connection of the server: how long its client may take, and what it is told where it can't be understood.

waitress has a limit for what is idle, and none for a request that comes a byte at a time, or an answer that is taken
so; nor do its own refusals have the shape and the headers of all other answers. These subclasses add that and no more.
"""

import logging
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import msgspec
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from paymentagg.entrypoints.http.errors import NoRoom
from paymentagg.entrypoints.http.problems import refused
from paymentagg.entrypoints.http.responses import ENDLESS
from paymentagg.entrypoints.http.security_headers import add_missing

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """What a client may take: seconds, bytes a second, connections."""

    grace: float = 10
    """For the headers of a request, and before the pace of its body, or of taking the answer, counts."""
    pace: int = 8 * 1024
    idle: float = 30
    """Between two requests, and before the first."""
    connections: int = 900
    """Of more, the one that has been idle for longest goes. waitress would accept none at ``connection_limit``."""
    drain: float = 30
    """For the requests that run when the server is asked to stop."""
    interval: float = 1
    """Between two looks at all this."""


class Parser(HTTPRequestParser):
    """A request as it comes in."""

    completed: bool
    path = ""  # waitress logs that of a request that it couldn't parse

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.monotonic()

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.completed and self.body_rcv is not None and self.body_rcv.getbuf().is_full:
            self.error = InsufficientStorage(str(NoRoom()))
        if self.chunked and not self.completed:
            # waitress holds what frames the chunks in memory, however long it is.
            held = len(self.body_rcv.control_line) + len(self.body_rcv.trailer)
            if held > self.adj.max_request_header_size:
                self.error = BadRequest("the framing of a chunk is too long")
                self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError:  # a host with half a bracket, a length of 5,000 digits
            raise ParsingError("The request line or a header is invalid") from None
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow)


class Body(OverflowableBuffer):
    """The body of a request, in memory while it is small, then in a file.

    One that the disk has no room for is read to its end all the same: a client hears no answer while it sends.
    """

    is_full = False

    def append(self, data: bytes) -> None:
        if self.is_full:
            return
        try:
            super().append(data)
        except OSError as error:
            log.warning("an upload was refused: %s", error.strerror)
            self.is_full = True
            with suppress(OSError):  # what couldn't be written is tried again
                self.close()
            self.buf = None


class InsufficientStorage(Error):
    """What waitress would call it if it knew."""

    code = 507
    reason = "Insufficient Storage"


class _Answer:
    """What waitress's tasks do alike: they write the head of an answer."""

    def build_response_header(self: Any) -> bytes:
        if self.channel.server.is_stopping:
            super().set_close_on_finish()  # type: ignore[misc]  # the task that this is mixed into has it
        head: bytes = super().build_response_header()  # type: ignore[misc]  # as above
        return head

    def set_close_on_finish(self: Any) -> None:
        # waitress closes behind every answer without a length; one that can't have a body needs none.
        keeps = self.version == "1.1" and self.request.headers.get("CONNECTION", "").lower() != "close"
        if self.has_body or not keeps:
            super().set_close_on_finish()  # type: ignore[misc]  # as above


class Answer(_Answer, WSGITask):
    """An answer of the application's."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[ENDLESS] = self.version == "1.0"
        return environ


class Refusal(_Answer, ErrorTask):
    """The answer to a request that can't be parsed, in the shape that all errors have."""

    def execute(self) -> None:
        problem = refused(self.request.error.code, self.request.error.reason, self.request.error.body)
        self.status = problem.status
        self.response_headers += problem.headerlist
        add_missing(self.response_headers, self.channel.adj.url_scheme)
        self.content_length = len(problem.body)
        self.set_close_on_finish()
        self.write(problem.body)


class _Discreet(logging.LoggerAdapter[logging.Logger]):
    """Leaves out the path, which may be that of a patient."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        return msg.partition(" while serving ")[0], kwargs


class Channel(HTTPChannel):
    """A connection, whose client is cut off where it takes too long."""

    task_class = Answer
    error_task_class = Refusal
    parser_class = Parser
    logger = _Discreet(logging.getLogger("waitress"))

    def __init__(self, *args: Any, **named: Any) -> None:
        self.since = time.monotonic()  # when it became the client's turn to ask
        self.taking: float | None = None  # since when the client has had something to take
        self.taken = 0
        super().__init__(*args, **named)

    def is_waiting(self) -> bool:
        """Whether there is nothing to do but to wait for the headers of a request."""
        begun = self.request is not None and self.request.headers_finished
        return not (begun or self.requests or self.total_outbufs_len or self.will_close)

    def is_late(self, now: float, limits: Limits) -> bool:
        """Whether the client takes too long to send its request, or to take its answer. Asked again and again."""
        if self.total_outbufs_len:
            self.since = now
            if self.taking is None:
                self.taking, self.taken = now, 0
            return self.taken < limits.pace * (now - self.taking - limits.grace)
        self.taking = None
        if self.requests:
            return False  # it is our turn
        if self.request is None:
            return now - self.since > limits.idle
        began = max(self.since, self.request.began)
        late: bool = self.request.body_bytes_received < limits.pace * (now - began - limits.grace)
        return late

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close)
        self.taken += sent
        return sent

    def service(self) -> None:
        super().service()
        self.since = time.monotonic()
