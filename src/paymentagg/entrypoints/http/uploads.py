"""Read snapshots from the bodies of POST requests. Only a multipart body is parsed here; rows are read later."""

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header
from pyramid.httpexceptions import HTTPNoContent
from pyramid.response import Response

from paymentagg.domain.errors import InvalidParameter, InvalidSnapshot, SnapshotTooLarge
from paymentagg.entrypoints.http.errors import InsufficientStorage, UnsupportedEncoding, UnsupportedMediaType
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.snapshots.byte_stream import Form, Readable, Reading

_FORMS = {"application/json": Form.ARRAY, "application/x-ndjson": Form.NDJSON}

# Content types that browsers and command line tools send for files of unknown or compressed type.
_BY_CONTENT = ("application/gzip", "application/x-gzip", "application/octet-stream", "text/plain")

View = Callable[[Any, Request], Response]

_MULTIPART = "multipart/form-data"
_MODELS = ("patients", "payments")
_IN_MEMORY = 1 << 20


class Upload(msgspec.Struct, frozen=True):
    """An uploaded snapshot: its bytes, and how to read them."""

    stream: Readable
    reading: Reading


def sent_snapshot(request: Request) -> Upload:
    """Return the body as one snapshot.

    Raises:
        UnsupportedMediaType, UnsupportedEncoding: its headers declare an unsupported type or encoding.
        SnapshotTooLarge: its Content-Length is above the limit.
        InvalidSnapshot: it is shorter than its Content-Length.
    """
    media, options = _content_type(request)
    if media not in _FORMS or not _is_utf8(options.get("charset")):
        raise UnsupportedMediaType(list(_FORMS))
    gzipped = _content_encoding(request, "identity", "gzip") == "gzip"
    limit = _checked_length(request)
    end_preflight(request)
    # Without the header, gzip is recognised by its content; with it, content that isn't gzip is damaged.
    return Upload(_body(request), Reading(limit, form=_FORMS[media], gzipped=gzipped or None))


def sent_parts(request: Request) -> dict[str, Upload]:
    """Return the parts ``patients`` and ``payments`` of a multipart body; at least one of them.

    Parts are spooled, since they may arrive in either order, and deleted when the request is done.

    Raises:
        UnsupportedMediaType: a part declares an unsupported type.
        InvalidParameter: a part is unknown or repeated, or there is none.
        PaymentAggError: the body can't be read; see ``multipart_events``.
        InsufficientStorage: the disk is full.
    """
    parts: dict[str, Upload] = {}
    for event in multipart_events(request):
        if isinstance(event, MultipartSegment):
            reading = _part_reading(request, event, parts)
            spool = _spool(request)
            parts[event.name] = Upload(spool, reading)
        elif event is None:
            spool.seek(0)
        else:
            _write(event, spool)
    if not parts:
        raise InvalidParameter("patients", "send a part patients, a part payments, or both")
    return parts


def multipart_events(request: Request) -> Iterator[MultipartSegment | bytes | None]:
    """Yield the head of each part of a multipart body, then its content in pieces, then None.

    Raises:
        UnsupportedMediaType, UnsupportedEncoding: the body declares an unsupported type or encoding.
        InvalidSnapshot: it isn't a complete multipart body.
        SnapshotTooLarge: it is above the limit.
    """
    media, options = _content_type(request)
    if media != _MULTIPART:
        raise UnsupportedMediaType([_MULTIPART])
    _content_encoding(request, "identity")
    limit = _checked_length(request)
    end_preflight(request)
    stream = _LimitedStream(request.body_file, limit)
    try:
        parser = PushMultipartParser(options.get("boundary", "").encode("latin-1"))
        yield from cast(Iterator[MultipartSegment | bytes | None], parser.parse_blocking(stream.read))
    except MultipartError:
        raise InvalidSnapshot("the multipart body is invalid or incomplete; send it again") from None


def _part_reading(request: Request, segment: MultipartSegment, before: dict[str, Upload]) -> Reading:
    """Return how to read a part, given its headers and the parts before it."""
    if segment.name not in _MODELS:
        raise InvalidParameter(segment.name, f"is not a known part; send {' or '.join(_MODELS)}")
    if segment.name in before:
        raise InvalidParameter(segment.name, "must be sent only once")
    media = segment.content_type
    if (media and media not in _FORMS and media not in _BY_CONTENT) or not _is_utf8(segment.charset):
        raise UnsupportedMediaType([*_FORMS, *_BY_CONTENT], part=segment.name)
    return Reading(request.limits.max_upload_bytes, form=_FORMS.get(media))


def _spool(request: Request) -> "tempfile.SpooledTemporaryFile[bytes]":
    """Return a file in memory, on disk once it is large; it is deleted when the request is done."""
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed by the callback
    request.add_finished_callback(lambda _: spool.close())
    return spool


def _write(data: bytes, spool: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    try:
        spool.write(data)
    except OSError as error:
        raise InsufficientStorage from error


def _content_type(request: Request) -> tuple[str, dict[str, str]]:
    media, options = parse_options_header(request.headers.get("Content-Type", ""))
    return media, options


def _is_utf8(charset: str | None) -> bool:
    return charset is None or charset.lower() in ("utf-8", "utf8")


def _content_encoding(request: Request, *supported: str) -> str:
    encoding: str = request.headers.get("Content-Encoding", "identity").strip().lower()
    encoding = "gzip" if encoding == "x-gzip" else encoding  # RFC 9110, section 8.4.1.3
    if encoding not in supported:
        raise UnsupportedEncoding(list(supported))
    return encoding


def _checked_length(request: Request) -> int:
    """Return the limit in bytes; raise SnapshotTooLarge if the Content-Length is above it."""
    limit: int = request.limits.max_upload_bytes
    if (request.content_length or 0) > limit:
        raise SnapshotTooLarge(limit)
    return limit


def refuse_body(view: View, info: Any) -> View:
    """Refuse requests with a body before it is received, unless the view ``reads_body``; a view deriver.

    Raises:
        InvalidParameter: a body was sent to a view that doesn't read it.
    """
    if info.exception_only or info.options.get("reads_body"):
        return view

    def wrapped(context: object, request: Request) -> Response:
        if request.is_preflight:
            raise InvalidParameter("body", "must be empty: this resource takes no body")
        return view(context, request)

    return wrapped


refuse_body.options = ("reads_body",)  # type: ignore[attr-defined]  # Pyramid reads the names of options here


def end_preflight(request: Request) -> None:
    """End a request without its body here, where the next step would be to read it."""
    if request.is_preflight:
        raise HTTPNoContent


def _body(request: Request) -> BinaryIO:
    """Return the body of a request as a seekable file at its start.

    Raises:
        InvalidSnapshot: it is shorter than its Content-Length.
    """
    body = cast(BinaryIO, request.body_file_raw)
    if not (hasattr(body, "seekable") and body.seekable()):
        is_copied = not request.is_body_seekable
        request.make_body_seekable()  # if the server passes the body on unbuffered, WebOb copies it to a file
        copy = cast(BinaryIO, request.body_file_raw)
        if is_copied:
            request.add_finished_callback(lambda _: copy.close())
        return copy
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    if size < (request.content_length or 0):
        raise InvalidSnapshot("the body is shorter than its Content-Length; send it again")
    return body


class _LimitedStream:
    """A stream that raises SnapshotTooLarge when more than its limit is read."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._left = limit

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise SnapshotTooLarge(self._limit)
        return chunk
