"""One client connection: deadlines for slow clients, and error responses in the shape of all others.

waitress limits how long a connection may be idle, but neither a request that arrives byte by byte nor a response that
is read that slowly; and its own error responses lack the shape and the headers of the application's. These subclasses
add only that.
"""

import logging
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, cast

import msgspec
from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import BadRequest, Error

from paymentagg.entrypoints.http.errors import InsufficientStorage
from paymentagg.entrypoints.http.problems import parse_error_response
from paymentagg.entrypoints.http.responses import UNDELIMITED
from paymentagg.entrypoints.http.security_headers import add_missing

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """The limits for clients: times in seconds, rates in bytes per second."""

    grace: float = 10
    """Time for the headers of a request, and the time before ``pace`` applies to its body or to its response."""
    pace: int = 8 * 1024
    """Minimum average rate at which a client sends a body or reads a response."""
    idle: float = 30
    """Time between two requests, and before the first."""
    connections: int = 900
    """Maximum of open connections; above it the one that has been idle longest is closed. Must be below waitress's
    ``connection_limit``, at which waitress stops accepting."""
    drain: float = 30
    """Time for running requests to finish when the server is stopped."""
    interval: float = 1
    """Time between two checks of these limits."""


class Parser(HTTPRequestParser):
    """A request while it is being received."""

    path = ""  # waitress logs the path even of a request that it couldn't parse

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began = time.monotonic()

    def received(self, data: bytes) -> int:
        """Parse more of the request and return the number of bytes consumed; ``error`` is set if it is refused."""
        consumed = super().received(data)
        receiver = self.body_rcv
        if receiver is not None and self.completed and isinstance(receiver.buf, RequestBody) and receiver.buf.is_full:
            self.error = InsufficientStorageError(str(InsufficientStorage()))
        if (
            isinstance(receiver, ChunkedReceiver)
            and not self.completed
            # waitress keeps a chunk's header and the trailer in memory, without a limit.
            and len(receiver.control_line) + len(receiver.trailer) > self.adj.max_request_header_size
        ):
            self.error = BadRequest("the header of a chunk, or the trailer, is too long")
            self.completed = True
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers.

        Raises:
            ParsingError: they are invalid.
        """
        try:
            super().parse_header(header_plus)
        except ValueError:  # such as a host with an unmatched bracket, or a Content-Length of 5,000 digits
            raise ParsingError("The request line or a header is invalid") from None
        if self.body_rcv is not None:
            self.body_rcv.buf = RequestBody(self.adj.inbuf_overflow)


class RequestBody(OverflowableBuffer):
    """The body of a request: in memory while it is small, then in a temporary file.

    If the disk is full, the rest of the body is read and discarded: a client that is still sending doesn't read the
    error response.
    """

    is_full = False

    def append(self, s: bytes) -> None:
        """Append to the body, or discard the data once the disk is full."""
        if self.is_full:
            return
        try:
            super().append(s)
        except OSError as error:
            log.warning("upload refused: can't write its temporary file: %s", error.strerror)
            self.is_full = True
            with suppress(OSError):  # closing flushes, which fails again
                self.close()
            self.buf = None


class InsufficientStorageError(Error):
    """Status 507 (RFC 4918, section 11.5), for which waitress has no class."""

    code = 507
    reason = "Insufficient Storage"


class _ResponseTask(Task):
    """Base of both kinds of tasks: decides when to close the connection."""

    channel: "Channel"
    request: Parser  # type: ignore[assignment]  # the stubs name the wrong class

    def build_response_header(self) -> bytes:
        if self.channel.server.is_stopping:
            super().set_close_on_finish()
        return super().build_response_header()

    def set_close_on_finish(self) -> None:
        # waitress closes the connection after every response without a length, even one that can't have a body (304).
        is_persistent = self.version == "1.1" and self.request.headers.get("CONNECTION", "").lower() != "close"
        if self.has_body or not is_persistent:
            super().set_close_on_finish()


class ApplicationTask(_ResponseTask, WSGITask):
    """A request that the application answers."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environ, with ``UNDELIMITED`` added."""
        environ = super().get_environment()
        environ[UNDELIMITED] = self.version == "1.0"
        return environ


class ErrorResponseTask(_ResponseTask, ErrorTask):
    """A request that can't be parsed, answered by a problem like all errors."""

    response_headers: list[tuple[str, str]]

    def execute(self) -> None:
        """Write the error response."""
        error = cast(Error, self.request.error)  # waitress creates this task only if there is one
        problem = parse_error_response(error.code, error.reason, error.body)
        self.status = problem.status
        self.response_headers += problem.headerlist
        add_missing(self.response_headers, self.channel.adj.url_scheme)
        self.content_length = len(problem.body)
        self.set_close_on_finish()
        self.write(problem.body)


class _PathRemover(logging.LoggerAdapter[logging.Logger]):
    """Removes the path from waitress's messages: it may contain a patient's id."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        return msg.partition(" while serving ")[0], kwargs


class Channel(HTTPChannel):
    """A connection that the server closes when its client is too slow."""

    task_class = ApplicationTask
    error_task_class = ErrorResponseTask
    parser_class = Parser
    logger = _PathRemover(logging.getLogger("waitress"))  # type: ignore[assignment]  # waitress only calls its log methods
    request: Parser | None
    server: Any  # a server.Listener; that module imports this one

    def __init__(self, *args: Any, **named: Any) -> None:
        self.since = time.monotonic()  # when the server began to wait for a request
        self.taking: float | None = None  # since when the client has had response data to read
        self.taken = 0  # bytes sent since then
        super().__init__(*args, **named)

    def is_waiting(self) -> bool:
        """Return whether the connection only waits for the headers of a request."""
        has_headers = self.request is not None and self.request.headers_finished
        return not (has_headers or self.requests or self.total_outbufs_len or self.will_close)

    def is_late(self, now: float, limits: Limits) -> bool:
        """Return whether the client sends its request, or reads its response, too slowly.

        Must be called regularly: it records when the response began to wait for the client.
        """
        if self.total_outbufs_len:
            self.since = now
            if self.taking is None:
                self.taking, self.taken = now, 0
            return self.taken < limits.pace * (now - self.taking - limits.grace)
        self.taking = None
        if self.requests:
            return False  # the application is working
        if self.request is None:
            return now - self.since > limits.idle
        began = max(self.since, self.request.began)
        return self.request.body_bytes_received < limits.pace * (now - began - limits.grace)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send data to the client and return how many bytes were sent."""
        sent = super().send(data, do_close)
        self.taken += sent
        return sent

    def service(self) -> None:
        """Run the tasks of the received requests."""
        super().service()
        self.since = time.monotonic()
