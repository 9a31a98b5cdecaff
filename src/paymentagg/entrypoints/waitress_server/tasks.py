"""What worker threads do with a request: let the application decide about it, answer it, or write an error."""

from typing import Any, cast

from waitress.task import ErrorTask, Task, WSGITask
from waitress.utilities import Error
from webob import Request, Response

from paymentagg.entrypoints.http.exports import UNDELIMITED
from paymentagg.entrypoints.http.problems import parse_error_response
from paymentagg.entrypoints.http.request import PREFLIGHT, REQUEST_ID
from paymentagg.entrypoints.http.security_headers import add_missing
from paymentagg.entrypoints.request_id import accepted, new_id
from paymentagg.entrypoints.waitress_server.parser import Parser


class Refused(Error):
    """A request that the application refused before its body was received; ``response`` is the application's."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class _ResponseTask(Task):
    """Base of both kinds of tasks: decides when to close the connection."""

    channel: Any  # a connections.Channel; that module imports this one
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
        """Return the WSGI environ, with ``UNDELIMITED`` and ``REQUEST_ID`` added."""
        environ = super().get_environment()
        environ[UNDELIMITED] = self.version == "1.0"
        environ[REQUEST_ID] = self.request.id = self.request.id or self._sent_id(environ) or new_id()
        return environ

    def _sent_id(self, environ: dict[str, Any]) -> str | None:
        """Return the id that the trusted proxy has sent, if any. A client could send any other's, to mislead."""
        is_trusted = environ["REMOTE_ADDR"] == self.channel.adj.trusted_proxy
        return accepted(environ.get("HTTP_X_REQUEST_ID")) if is_trusted else None

    def build_response_header(self) -> bytes:
        """Return the header; if it announces chunks, a response to HEAD has none nevertheless, not even the last."""
        header = super().build_response_header()
        if self.request.command == "HEAD":  # type: ignore[comparison-overlap]  # the stubs say bytes
            self.chunked_response = False
        return header

    def refusal(self) -> Refused | None:
        """Ask the application whether it refuses the request for other reasons than its body; None if it doesn't."""
        environ = self.get_environment()
        environ[PREFLIGHT] = True
        response = Request(environ).get_response(self.channel.server.application)
        return Refused(response) if response.status_int >= 400 else None


class ErrorResponseTask(_ResponseTask, ErrorTask):
    """A request that can't be parsed or was refused, answered by a problem like all errors."""

    response_headers: list[tuple[str, str]]

    def execute(self) -> None:
        """Write the error response."""
        error = cast(Error, self.request.error)  # waitress creates this task only if there is one
        if isinstance(error, Refused):
            response = error.response
        else:
            response = parse_error_response(error.code, error.reason, error.body)
            self.channel.server.metrics.unreadable(error.code)
        self.status = response.status
        self.response_headers += response.headerlist
        add_missing(self.response_headers, self.channel.adj.url_scheme)
        body = response.body
        self.content_length = len(body)
        cast(dict[str, str], self.request.headers)["CONNECTION"] = "close"  # even if the client asked for keep-alive
        self.set_close_on_finish()
        self.write(body)
