"""One client connection: the application sees a request before its body is received, and slow clients have deadlines.

waitress limits how long a connection may be idle, but neither a request that arrives byte by byte nor a response that
is read that slowly; it receives every body before the application sees the request; and its own error responses lack
the shape and the headers of the application's. These subclasses add only that.
"""

import logging
import socket
import threading
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, cast

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.utilities import InternalServerError

from paymentagg.entrypoints.safe_traceback import where
from paymentagg.entrypoints.waitress_server.limits import Limits, Pace
from paymentagg.entrypoints.waitress_server.parser import Parser
from paymentagg.entrypoints.waitress_server.tasks import ApplicationTask, ErrorResponseTask

log = logging.getLogger(__name__)

_HEAD_BYTES = 8 * 1024
"""Read at once while headers or chunks are expected: bounds what a client makes the server keep or decode in one step.
Bodies of known length are read in larger steps (``recv_bytes``)."""


class _PathRemover(logging.LoggerAdapter[logging.Logger]):
    """Removes the path from waitress's messages: it may contain a patient's id."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        return msg.partition(" while serving ")[0], kwargs


class Channel(HTTPChannel):
    """A connection that the server closes when its client is too slow."""

    task_class = ApplicationTask
    error_task_class = ErrorResponseTask
    logger = _PathRemover(logging.getLogger("waitress"))  # type: ignore[assignment]  # waitress only calls its log methods
    request: Parser | None
    requests: list[Parser]
    requests_lock: threading.Lock  # missing in the stubs
    server: Any  # a listeners.Listener; that module imports this one

    def __init__(self, *args: Any, **named: Any) -> None:
        self.since = time.monotonic()  # when the server began to wait for a request
        self.heard = self.since  # when the client sent something
        self._sent = 0
        self._response_pace: Pace | None = None  # while the client has response data to read
        self._has_error = False
        self._is_lingering = False
        super().__init__(*args, **named)

    def parser_class(self, adj: Adjustments) -> Parser:  # type: ignore[override]  # waitress only calls it
        """Return the parser of a new request."""
        return Parser(adj, self.server.bodies)

    def is_waiting(self) -> bool:
        """Return whether the connection waits for its client to send something."""
        return not (self.requests or self.total_outbufs_len or self.will_close)

    def is_late(self, now: float, limits: Limits) -> bool:
        """Return whether the client sends its request, or reads its response, too slowly.

        Must be called regularly: it records when the response began to wait for the client.
        """
        if self._is_lingering:
            return now - self.since > limits.grace
        if self.total_outbufs_len:
            self.since = now
            if self._response_pace is None:
                self._response_pace = Pace(limits, now, self._sent)
            return self._response_pace.is_too_slow(now, self._sent)
        self._response_pace = None
        if self.requests:
            return False  # the application is working
        if self.request is None:
            return now - self.since > limits.idle
        if self.request.pace is None:
            return now - max(self.since, self.request.began) > limits.grace
        return self.request.pace.is_too_slow(now, self.request.body_bytes_received)

    def close_soon(self) -> None:
        """Make the event loop close the connection as soon as it can be written to."""
        self._has_error = False
        self.will_close = True

    def close_now(self) -> None:
        """Close the connection, even if its client reads nothing. Not while the event loop handles its events: their
        file descriptors could belong to new connections by then."""
        self._has_error = False
        self.handle_close()

    def readable(self) -> bool:
        """Return whether the event loop should read from the client."""
        return self._is_lingering or super().readable()

    def recv(self, buffer_size: int) -> bytes:
        """Receive data from the client."""
        is_sized = self.request is not None and self.request.pace is not None and not self.request.chunked
        return super().recv(buffer_size if is_sized or self._is_lingering else _HEAD_BYTES)

    def received(self, data: bytes) -> bool:
        """Parse what the client sent, unless it belongs to a request that was refused."""
        self.heard = time.monotonic()
        return not self._is_lingering and super().received(data)

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send data to the client and return how many bytes were sent."""
        sent = super().send(data, do_close)
        self._sent += sent
        return sent

    def service(self) -> None:
        """Answer the next request; if its body hasn't been received yet, let the application decide whether to."""
        request = self.requests[0]
        if not request.is_undecided or self._refuses(request):
            self._has_error = request.error is not None
            super().service()
        else:
            self._receive_body(request)
        self.since = time.monotonic()

    def handle_close(self) -> None:
        """Close the connection; after an error, first read and discard what the client still sends.

        Otherwise the operating system would reset the connection, and a client that is still sending would never see
        the response. RFC 9112, section 9.6 describes this.
        """
        if self._has_error and self.connected and not self._is_lingering:
            with suppress(OSError):  # the client has reset the connection
                cast(socket.socket, self.socket).shutdown(socket.SHUT_WR)
                self._is_lingering, self.will_close = True, False
                self.since = time.monotonic()
                return
        super().handle_close()
        if self.request is not None:
            self.request.close()

    def _refuses(self, request: Parser) -> bool:
        """Return whether the application refuses the request before its body; ``request.error`` is the response."""
        try:
            request.error = ApplicationTask(self, request).refusal()  # type: ignore[arg-type]  # the stubs name the wrong class
        except Exception as error:  # noqa: BLE001  # the outermost handler of errors
            log.error("internal error before a body was received:\n%s", where(error))
            request.error = InternalServerError("search the server's log for this time")
        return request.error is not None

    def _receive_body(self, request: Parser) -> None:
        """Go on with an admitted request: tell the client to send the body, and parse what has arrived of it.

        The request stays in ``requests`` meanwhile, so the event loop reads nothing from the client.
        """
        early = request.admit(Pace(self.server.limits, time.monotonic()))
        with self.requests_lock:  # the event loop may hold it: it sets ``request`` to None after it has added the task
            self.request = request
        if request.is_continued and not early:
            self.send_continue()
        self.received(early)
        if not self.connected:
            request.close()
        with self.requests_lock:
            self.requests.pop(0)
            if self.requests:
                self.server.add_task(self)
        self.server.pull_trigger()
