"""A request while it is being received: stricter than waitress about its framing, and in two steps.

A request with a body is complete twice: first with its headers, so that the application can refuse it before any of its
body is kept, and then with its body.
"""

import time
from typing import cast

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver

from paymentagg.entrypoints.waitress_server.bodies import BodyStorage, RequestBody
from paymentagg.entrypoints.waitress_server.chunks import ChunkedReceiver
from paymentagg.entrypoints.waitress_server.limits import Pace


class Parser(HTTPRequestParser):
    """A request while it is being received."""

    path = ""  # waitress logs the path even of a request that it couldn't parse
    is_undecided = False
    """Whether the headers are complete, and the application hasn't decided yet whether to receive the body."""
    is_continued = False
    """Whether the client waits for ``100 Continue`` before it sends the body."""
    early = b""
    """The bytes that arrived together with the headers and belong to the body, or to later requests."""
    id: str | None = None
    """The id of the request for the logs, once the application has seen it."""
    pace: Pace | None = None
    """The client's rate, once the body is being received."""

    def __init__(self, adj: Adjustments, storage: BodyStorage) -> None:
        super().__init__(adj)
        self.began = time.monotonic()
        self._storage = storage

    def received(self, data: bytes) -> int:
        """Parse more of the request and return the number of bytes consumed; ``error`` is set if it is refused."""
        is_head = self.body_rcv is None
        consumed = super().received(data)
        if self.body_rcv is None or self.error is not None:
            return consumed
        if is_head:
            self.is_undecided = self.completed = True
            self.is_continued, self.expect_continue = self.expect_continue, False
            self.early = data[consumed:]
            return len(data)
        body = cast(RequestBody, self.body_rcv.buf)
        if body.error is not None:
            self.error = body.error
            self.completed = True
        return consumed

    def admit(self, pace: Pace) -> bytes:
        """Begin to receive the body; return the bytes that have already arrived."""
        self.pace = pace
        self.is_undecided = self.completed = False
        early, self.early = self.early, b""
        return early

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the request line and the headers.

        Raises:
            ParsingError: they are invalid, or leave in doubt where the request ends or for which host it is
                (RFC 9112, sections 3.2 and 6.1).
        """
        try:
            super().parse_header(header_plus)
        except ValueError:  # such as a host with an unmatched bracket, or a Content-Length of 5,000 digits
            raise ParsingError("The request line or a header is invalid") from None
        host = self.headers.get("HOST")
        if "," in (host or "") or (host is None and self.version == "1.1"):
            raise ParsingError("There must be one Host header")
        if "TRANSFER_ENCODING" in self.headers:  # waitress removes it from requests of HTTP/1.1
            raise ParsingError("Transfer-Encoding requires HTTP/1.1")
        if self.chunked:
            if "CONTENT_LENGTH" in self.headers:
                raise ParsingError("Send either Transfer-Encoding or Content-Length")
            body = RequestBody(self._storage)
            self.body_rcv = ChunkedReceiver(body, self.adj.max_request_header_size)  # type: ignore[assignment]
        elif self.content_length:
            self.body_rcv = FixedStreamReceiver(self.content_length, RequestBody(self._storage))  # type: ignore[arg-type]
