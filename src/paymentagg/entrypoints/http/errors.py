"""Errors that only HTTP has, with their messages; ``problems`` turns them into responses."""

from paymentagg.domain.errors import PaymentAggError


class NotFound(PaymentAggError):
    """The path matches no resource."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__("nothing was found at this path; /openapi.json lists the paths")


class MethodNotAllowed(PaymentAggError):
    """The resource doesn't support the method; ``allowed`` are the methods that it supports."""

    code = "method-not-allowed"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"this resource supports only {', '.join(allowed)}")
        self.allowed = allowed


class Unauthorized(PaymentAggError):
    """The API key is missing or invalid; the message doesn't tell which, so that it doesn't help guessing."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("send a valid key in one header: Authorization: Bearer pagg_…")


class TooManyRequests(PaymentAggError):
    """The address has sent too many wrong keys and is refused for this number of ``seconds``."""

    code = "too-many-requests"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong keys from this address; try again in {seconds} s")
        self.seconds = seconds


class TooManyExports(PaymentAggError):
    """The maximum number of large exports is already running."""

    code = "too-many-requests"

    def __init__(self) -> None:
        super().__init__("the maximum number of large exports is running; try again later")


class TooManyUploads(PaymentAggError):
    """The bodies that are being received already take all of the space for them."""

    code = "too-many-requests"

    def __init__(self) -> None:
        super().__init__("other uploads take all of the space for them; try again when they are done")


class HttpVersionNotSupported(PaymentAggError):
    """An export was requested over HTTP/1.0, which marks the end of such a response only by closing the connection."""

    code = "http-version-not-supported"
    is_failure = True

    def __init__(self) -> None:
        super().__init__(
            "over HTTP/1.0 a truncated export would look complete; use HTTP/1.1 "
            "(behind nginx, set proxy_http_version 1.1)"
        )


class NotAcceptable(PaymentAggError):
    """The client accepts none of the media types that are ``offered``."""

    code = "not-acceptable"

    def __init__(self, offered: list[str]) -> None:
        super().__init__(f"this resource is available as {', '.join(offered)}; change the Accept header")


class InsufficientStorage(PaymentAggError):
    """The disk is full: an upload can't be stored while it is processed, or a spreadsheet before it is sent."""

    code = "insufficient-storage"
    is_failure = True

    def __init__(self) -> None:
        super().__init__("the server's disk is full; nothing was changed; free some space, then try again")


class UnsupportedMediaType(PaymentAggError):
    """The body, or the named ``part`` of it, has none of the ``supported`` content types."""

    code = "unsupported-media-type"

    def __init__(self, supported: list[str], part: str | None = None) -> None:
        subject = "the body" if part is None else f"the part {part}"
        super().__init__(f"the content type of {subject} must be {' or '.join(supported)}, in UTF-8")


class UnsupportedEncoding(PaymentAggError):
    """The body has another content encoding than the ``supported`` ones."""

    code = "unsupported-encoding"

    def __init__(self, supported: list[str]) -> None:
        super().__init__(f"the content encoding must be {' or '.join(supported)}")
        self.supported = supported
