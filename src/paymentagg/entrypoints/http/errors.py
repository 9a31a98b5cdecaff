"""What only HTTP has to refuse: errors with their words; ``problems`` makes answers of them."""

from paymentagg.domain.errors import PaymentAggError


class NotFound(PaymentAggError):
    """The path names nothing that is there."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__(
            "nothing goes by this path; there are /patients, /payments, /snapshot and /syncs; see /openapi.json"
        )


class MethodNotAllowed(PaymentAggError):
    """The resource is there, but not for this method. ``allowed`` are those it is there for."""

    code = "method-not-allowed"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"this resource takes {', '.join(allowed)}")
        self.allowed = allowed


class Unauthorized(PaymentAggError):
    """There is no key, or no right one; the words are the same for all of them."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("send a key that is valid, in one header: Authorization: Bearer pagg_…")


class TooManyRequests(PaymentAggError):
    """The address has sent too many wrong keys, and is refused for so many ``seconds``."""

    code = "too-many-requests"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many wrong keys came from this address; it is served again in {seconds} s")
        self.seconds = seconds


class TooManyExports(PaymentAggError):
    """As many large exports as may are running."""

    code = "too-many-requests"

    def __init__(self) -> None:
        super().__init__("as many large exports as this server does at once are running; try again when one is done")


class HttpVersionNotSupported(PaymentAggError):
    """An export was asked for over HTTP/1.0, where an answer of unknown length ends with the connection."""

    code = "http-version-not-supported"
    is_failure = True

    def __init__(self) -> None:
        super().__init__(
            "over HTTP/1.0 an export that breaks off would look like a whole one; ask over HTTP/1.1 "
            "(nginx in between needs: proxy_http_version 1.1)"
        )


class NotAcceptable(PaymentAggError):
    """The client accepts none of the media types that are ``offered``."""

    code = "not-acceptable"

    def __init__(self, offered: list[str]) -> None:
        super().__init__(f"this resource comes as {', '.join(offered)}")


class InsufficientStorage(PaymentAggError):
    """What was sent can't be kept until it is read: the disk is full."""

    code = "insufficient-storage"
    is_failure = True

    def __init__(self) -> None:
        super().__init__("the disk has no room for the upload; nothing was changed, try again when there is some")


class UnsupportedMediaType(PaymentAggError):
    """What was sent, as a body or as the part of that name, has none of the types that are ``taken``."""

    code = "unsupported-media-type"

    def __init__(self, taken: list[str], part: str | None = None) -> None:
        what = "the body" if part is None else f"the part {part}"
        super().__init__(f"the content type of {what} must be {' or '.join(taken)}, in UTF-8")


class UnsupportedEncoding(PaymentAggError):
    """The body is encoded in a way that can't be read; ``taken`` are the encodings that can."""

    code = "unsupported-encoding"

    def __init__(self, taken: list[str]) -> None:
        super().__init__(f"the content encoding must be {' or '.join(taken)}")
        self.taken = taken
