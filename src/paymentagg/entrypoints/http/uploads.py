"""Bodies of POST requests become snapshots. Nothing is read here but the frame around a multipart body."""

import os
import tempfile
from typing import BinaryIO, cast

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from paymentagg.domain.errors import InvalidParameter, InvalidSnapshot, SnapshotTooLarge
from paymentagg.entrypoints.http.errors import InsufficientStorage, UnsupportedEncoding, UnsupportedMediaType
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.snapshots.byte_stream import Form, Readable, Reading

_FORMS = {"application/json": Form.ARRAY, "application/x-ndjson": Form.NDJSON}

# What forms and command line tools call a file whose type they don't know.
_BY_CONTENT = ("application/gzip", "application/x-gzip", "application/octet-stream", "text/plain")

_MULTIPART = "multipart/form-data"
_MODELS = ("patients", "payments")
_IN_MEMORY = 1 << 20


class Upload(msgspec.Struct, frozen=True):
    """A snapshot as it was sent: a stream, and how to read it."""

    stream: Readable
    reading: Reading


def sent_snapshot(request: Request) -> Upload:
    """Return the body as one snapshot.

    Raises:
        UnsupportedMediaType, UnsupportedEncoding: it is said to be something else.
        SnapshotTooLarge: it says that it is.
    """
    media, options = _content_type(request)
    if media not in _FORMS or not _is_utf8(options.get("charset")):
        raise UnsupportedMediaType(list(_FORMS))
    gzipped = _content_encoding(request, "identity", "gzip") == "gzip"
    limit = _checked_length(request)
    # Without the header, gzip shows in the content; with it, content that isn't gzip is damaged.
    return Upload(_body(request), Reading(limit, form=_FORMS[media], gzipped=gzipped or None))


def sent_parts(request: Request) -> dict[str, Upload]:
    """Return the parts ``patients`` and ``payments`` of a multipart body, one of them at least.

    Parts are kept on disk until the request is done, since they may come in either order.

    Raises:
        UnsupportedMediaType, UnsupportedEncoding: the body or a part is said to be something else.
        InvalidParameter: a part is unknown, repeated or missing.
        InvalidSnapshot: the body is no whole multipart.
        SnapshotTooLarge: the parts together are.
        InsufficientStorage: they can't be kept.
    """
    media, options = _content_type(request)
    if media != _MULTIPART:
        raise UnsupportedMediaType([_MULTIPART])
    _content_encoding(request, "identity")
    stream = _Metered(request.body_file, _checked_length(request))
    parts: dict[str, Upload] = {}
    try:
        parser = PushMultipartParser(options.get("boundary", "").encode("latin-1"))
        for event in parser.parse_blocking(stream.read):
            if isinstance(event, MultipartSegment):
                reading = _part_reading(request, event, parts)
                spool = _spool(request)
                parts[event.name] = Upload(spool, reading)
            elif event is None:
                spool.seek(0)
            else:
                _keep(event, spool)
    except MultipartError:
        raise InvalidSnapshot("the multipart body is broken") from None
    if not parts:
        raise InvalidParameter("patients", "send a part patients, a part payments, or both")
    return parts


def _part_reading(request: Request, segment: MultipartSegment, before: dict[str, Upload]) -> Reading:
    """Return how a part that begins is to be read."""
    if segment.name not in _MODELS:
        raise InvalidParameter(segment.name, f"the parts are {' and '.join(_MODELS)}")
    if segment.name in before:
        raise InvalidParameter(segment.name, "must be sent once only")
    media = segment.content_type
    if (media and media not in _FORMS and media not in _BY_CONTENT) or not _is_utf8(segment.charset):
        raise UnsupportedMediaType([*_FORMS, *_BY_CONTENT], part=segment.name)
    return Reading(request.limits.max_upload_bytes, form=_FORMS.get(media))


def _spool(request: Request) -> "tempfile.SpooledTemporaryFile[bytes]":
    """Return a file, on disk once it is large, that goes when the request is done."""
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed by the callback
    request.add_finished_callback(lambda _: spool.close())
    return spool


def _keep(data: bytes, spool: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    try:
        spool.write(data)
    except OSError as error:
        raise InsufficientStorage from error


def _content_type(request: Request) -> tuple[str, dict[str, str]]:
    media, options = parse_options_header(request.headers.get("Content-Type", ""))
    return media, options


def _is_utf8(charset: str | None) -> bool:
    return charset is None or charset.lower() in ("utf-8", "utf8")


def _content_encoding(request: Request, *taken: str) -> str:
    encoding: str = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in taken:
        raise UnsupportedEncoding(list(taken))
    return encoding


def _checked_length(request: Request) -> int:
    """Return how many bytes may be sent; refuse a body that announces more."""
    limit: int = request.limits.max_upload_bytes
    if (request.content_length or 0) > limit:
        raise SnapshotTooLarge(limit)
    return limit


def _body(request: Request) -> BinaryIO:
    """Return the body of a request, as a file that can be read again.

    Raises:
        InvalidSnapshot: it is shorter than its Content-Length says.
    """
    body = cast(BinaryIO, request.body_file_raw)
    if not (hasattr(body, "seekable") and body.seekable()):
        is_ours = not request.is_body_seekable
        request.make_body_seekable()  # a server that passes the body on as it comes: WebOb writes it to a file
        kept = cast(BinaryIO, request.body_file_raw)
        if is_ours:
            request.add_finished_callback(lambda _: kept.close())
        return kept
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    if size < (request.content_length or 0):
        raise InvalidSnapshot("the body ended too early")
    return body


class _Metered:
    """A stream that may be read up to its limit."""

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
