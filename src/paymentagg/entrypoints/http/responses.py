"""What was found becomes an answer: JSON, NDJSON or CSV, with pages and entity tags."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version as installed_version
from itertools import chain
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from pyramid.config import Configurator
from pyramid.response import Response
from webob.acceptparse import create_accept_header

from paymentagg.domain.ports import Export
from paymentagg.domain.queries import Page
from paymentagg.domain.report import Report
from paymentagg.entrypoints.http.errors import HttpVersionNotSupported, NotAcceptable
from paymentagg.entrypoints.http.problems import log_unexpected
from paymentagg.entrypoints.http.query_params import decoded_pairs
from paymentagg.entrypoints.http.request import Request

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"

UNDELIMITED = "paymentagg.undelimited"
"""What the server says in the environ where an answer of unknown length ends with the connection, broken off or not."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_json = msgspec.json.Encoder(decimal_format="number")


class ExportAborted(Exception):
    """An export broke off after it had begun; the log says why under the id of the request."""


def includeme(config: Configurator) -> None:
    """Note which version of paymentagg answers: another one may answer otherwise, so it is part of each tag."""
    config.registry.paymentagg_version = installed_version("paymentagg")


def accepted(request: Request, *offered: str) -> str:
    """Return the media type that the client likes best, the first one where it doesn't care.

    Raises:
        NotAcceptable: it likes none.
    """
    media = _preferred(request.headers.get("Accept"), offered)
    if media is None:
        raise NotAcceptable(list(offered))
    return media


@lru_cache(256)  # clients send few different headers, and each takes long to understand
def _preferred(header: str | None, offered: tuple[str, ...]) -> str | None:
    # Clients that name the charset mean the same type.
    offers = {offer + charset: offer for charset in ("", ";charset=utf-8") for offer in offered}
    liked = create_accept_header(header).acceptable_offers(list(offers))
    return offers[liked[0][0]] if liked else None


def unmodified(request: Request, media: str) -> Response | None:
    """Return 304 where the client already has what it would get; reads the version of the data, but no rows."""
    if request.headers.get("If-None-Match", "*").strip() == "*":
        return None  # a star asks whether there is anything at all: that takes a look
    tag = _tag(request, media, request.syncs.version())
    return _tagged(Response(status=304), tag) if tag in request.if_none_match else None


def listed(request: Request, page: Page[T], cursor: Callable[[T], str]) -> Response:
    """Answer with one page as a JSON array; ``cursor`` says where the page after its last row begins."""
    response = _found(request, page, page.items)
    if page.more:
        kept = [(name, value) for name, value in decoded_pairs(request.query_string) if name != "after"]
        query = urlencode([*kept, ("after", cursor(page.items[-1]))])
        response.headers["Link"] = f'<{request.path_url}?{query}>; rel="next"'
    return response


def single(request: Request, page: Page[T]) -> Response:
    """Answer with the only row of the page as a JSON object."""
    return _found(request, page, page.items[0])


def reported(report: Report, *, replayed: bool = False) -> Response:
    """Answer with what a sync did, or has done before."""
    response = _body(JSON, _json.encode(report))
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def exported(
    request: Request,
    media: str,
    row: type[msgspec.Struct],
    find: Callable[[Export], Iterator[Sequence[msgspec.Struct]]],
) -> Response:
    """Answer with all rows that are found, streamed.

    Args:
        row: what the rows are.
        find: asks the export for them, in batches.

    Raises:
        HttpVersionNotSupported: the client couldn't know whether it got all.
    """
    if request.environ.get(UNDELIMITED):
        raise HttpVersionNotSupported
    stream = _Stream(request, find, _Csv(row) if media == CSV else _Ndjson())
    try:
        response = _tagged(_body(media, b""), _tag(request, media, stream.version))
        if request.method != "HEAD":
            stream.begin()  # a database that fails now is a clean 503 still
    except BaseException:
        stream.close()
        raise
    response.app_iter = stream
    return response


def _found(request: Request, page: Page[T], found: object) -> Response:
    """Answer with what was found, or with 304 where the client has it."""
    tag = _tag(request, JSON, page.version)
    if tag in request.if_none_match:
        return _tagged(Response(status=304), tag)
    request.trail.read(len(page.items))
    return _tagged(_body(JSON, _json.encode(found)), tag)


def _body(media: str, body: bytes) -> Response:
    return Response(content_type=media, charset="utf-8" if media == CSV else None, body=body)


def _tag(request: Request, media: str, version: str) -> str:
    asked = [request.registry.paymentagg_version, version, request.path_info, request.query_string, media]
    asked.append(request.authenticated_userid or "")  # keys see different syncs under the same path
    return hashlib.sha256("\0".join(asked).encode("utf-8")).hexdigest()[:32]


def _tagged(response: Response, tag: str) -> Response:
    """Let clients keep the answer, as long as they ask each time whether it still holds."""
    response.etag = tag
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary = ["Accept"]
    return response


class _Ndjson:
    head = b""

    def encode(self, rows: Sequence[msgspec.Struct]) -> bytes:
        return _json.encode_lines(rows)


class _Csv:
    """RFC 4180, with the JSON names as its header."""

    def __init__(self, row: type[msgspec.Struct]) -> None:
        fields = msgspec.structs.fields(row)
        self._names = [field.name for field in fields]
        self.head = self._lines([[field.encode_name for field in fields]])

    def encode(self, rows: Sequence[msgspec.Struct]) -> bytes:
        return self._lines([[_cell(getattr(row, name)) for name in self._names] for row in rows])

    @staticmethod
    def _lines(cells: list[list[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(cells)
        return text.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    if isinstance(value, str):
        # A spreadsheet would run a name that looks like a formula; an apostrophe makes it text.
        return f"'{value}" if value.startswith(_FORMULA) else value
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value


class _Stream:
    """The body of an export: closes the export when the server is done with it, or the client has left."""

    def __init__(
        self, request: Request, find: Callable[[Export], Iterator[Sequence[msgspec.Struct]]], writer: _Csv | _Ndjson
    ) -> None:
        self._request = request
        self._export: Export = request.open_export()
        self._open = ExitStack()
        self._open.callback(self._export.close)
        self._find = find
        self._writer = writer
        self._batches: Iterator[Sequence[msgspec.Struct]] = iter(())
        self._ready: bytes | None = None

    @property
    def version(self) -> str:
        return self._export.version

    def begin(self) -> None:
        """Find the first rows, and take a turn where there are more."""
        batches = iter(self._find(self._export))
        first, second = next(batches, ()), next(batches, None)
        if second is not None:
            self._open.callback(self._request.take_export_slot())
            self._batches = chain([second], batches)
        self._ready = self._writer.head + self._encoded(first)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._ready is not None:
            chunk, self._ready = self._ready, None
            return chunk
        try:
            return self._encoded(next(self._batches))
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001  # the server would log its message, which may hold data
            log_unexpected(error, self._request)
        raise ExportAborted(self._request.id)

    def close(self) -> None:
        self._open.close()

    def _encoded(self, rows: Sequence[msgspec.Struct]) -> bytes:
        self._request.trail.read(len(rows))
        return self._writer.encode(rows)
