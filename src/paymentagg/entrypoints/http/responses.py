"""Build responses in JSON, NDJSON or CSV, with pages and entity tags."""

import codecs
import csv
import hashlib
import io
import re
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
from paymentagg.entrypoints.http.errors import HttpVersionNotSupported, NotAcceptable, NotFound
from paymentagg.entrypoints.http.parameters.query_string import Parameters, decoded_pairs
from paymentagg.entrypoints.http.problems import log_unexpected
from paymentagg.entrypoints.http.request import Request

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"

UNDELIMITED = "paymentagg.undelimited"
"""Key in the WSGI environ: true if only closing the connection ends a response of unknown length (HTTP/1.0).

The client then can't tell a complete response from a truncated one."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_INNER_FORMULA = re.compile(r'(?<=[;\t])(?=["\s]*[=+\-@\t\r])')
"""Where a formula would begin if a spreadsheet split the cell at semicolons or tabs, and took quotes for its own."""

_MEDIA_RANGE = re.compile(r'(?:[^,"]++|"[^"]*+"?)++')
"""One element of an Accept header: up to the next comma outside of quotes. Linear in time: headers can be long."""
_WEIGHT = re.compile(r"\s*q\s*=\s*[0-9.]+\s*", re.IGNORECASE)

_ENTITY_TAG = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')
"""One element of an If-None-Match header; some clients leave out the quotes."""

_json = msgspec.json.Encoder(decimal_format="number")


class ExportAborted(Exception):
    """An export failed after its first bytes were sent; the log has the reason, with the request's id."""


def includeme(config: Configurator) -> None:
    """Set ``paymentagg_version`` in the registry; entity tags contain it because responses may differ by version."""
    config.registry.paymentagg_version = installed_version("paymentagg")


def accepted(request: Request, *offered: str) -> str:
    """Return the offered media type that the client prefers, the first if it has no preference.

    Raises:
        NotAcceptable: it accepts none of them.
    """
    media = _preferred(request.headers.get("Accept"), offered)
    if media is None:
        raise NotAcceptable(list(offered))
    return media


@lru_cache(256)  # clients send few different headers, and parsing is slow
def _preferred(header: str | None, offered: tuple[str, ...]) -> str | None:
    ranked = create_accept_header(_without_parameters(header or "") or None).acceptable_offers(offered)
    return ranked[0][0] if ranked else None


def _without_parameters(header: str) -> str:
    """Return an Accept header without the parameters of its media types, which mean nothing here; only weights stay.

    An ``Accept: application/json;charset=UTF-8`` or ``;version=2`` would otherwise match no offer (RFC 9110, 12.5.1).
    """
    ranges = []
    for media_range in _MEDIA_RANGE.findall(header):
        media, *parameters = media_range.split(";")
        ranges.append(";".join([media, *(text for text in parameters if _WEIGHT.fullmatch(text))]))
    return ",".join(ranges).strip()


def unmodified(request: Request, media: str, version: Callable[[], str] | None = None) -> Response | None:
    """Return 304 if the client has the current response, else None; reads the version of the data, but no rows.

    Args:
        version: returns the version of what the response depends on, if that isn't the stored rows alone.
    """
    if request.headers.get("If-None-Match", "*").strip() == "*":
        return None  # matches any existing resource, so the rows must be read
    tag = _tag(request, media, (version or request.syncs.version)())
    return _tagged(Response(status=304), tag) if _is_known(request, tag) else None


def listed(request: Request, page: Page[T], cursor: Callable[[T], str] | None = None) -> Response:
    """Return one page as a JSON array; ``cursor`` makes the cursor of the link to the next page from the last row."""
    response = _found(request, page, page.items)
    if page.more and cursor is not None:
        kept = [(name, value) for name, value in decoded_pairs(request.query_string) if name != "after"]
        query = urlencode([*kept, ("after", cursor(page.items[-1]))])
        response.headers["Link"] = f'<{request.path_url}?{query}>; rel="next"'
    if page.total is not None and response.status_int == 200:
        response.headers["X-Total-Count"] = str(page.total)
    return response


def only(request: Request, page: Page[T]) -> Response:
    """Return the only row of the page as a JSON object.

    Raises:
        NotFound: the page is empty.
    """
    if not page.items:
        raise NotFound
    return _found(request, page, page.items[0])


def reported(report: Report, *, replayed: bool = False) -> Response:
    """Return a sync's report; ``replayed`` if it is the stored one of an earlier request."""
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
    """Return all rows, streamed, with the name of a file for clients that save them.

    Args:
        row: the type of the rows.
        find: gets the rows from the export, in batches.

    Raises:
        HttpVersionNotSupported: the client couldn't tell whether the export is complete.
    """
    if request.environ.get(UNDELIMITED):
        raise HttpVersionNotSupported
    bom = Parameters(request.query_string).texts.get("bom") == "true"
    stream = _Stream(request, find, _Csv(row, bom=bom) if media == CSV else _Ndjson())
    try:
        response = _tagged(_body(media, b""), _tag(request, media, stream.version))
        name = f"{request.path_info.strip('/')}.{'csv' if media == CSV else 'ndjson'}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        if request.method != "HEAD":
            stream.begin()  # an error of the database still gives a 503 here
    except BaseException:
        stream.close()
        raise
    response.app_iter = stream
    return response


def _found(request: Request, page: Page[T], found: object) -> Response:
    """Return the result as JSON, or 304 if the client has it."""
    tag = _tag(request, JSON, page.version)
    if _is_known(request, tag):
        return _tagged(Response(status=304), tag)
    request.trail.read(len(page.items))
    return _tagged(_body(JSON, _json.encode(found)), tag)


def _body(media: str, body: bytes) -> Response:
    return Response(content_type=media, charset="utf-8" if media == CSV else None, body=body)


def _tag(request: Request, media: str, version: str) -> str:
    parts = [request.registry.paymentagg_version, version, request.path_info, request.query_string, media]
    parts.append(request.authenticated_userid or "")  # which syncs are visible depends on the key
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:32]


def _is_known(request: Request, tag: str) -> bool:
    """Return whether If-None-Match has the tag, compared weakly (RFC 9110, 13.1.2). WebOb misses tags after commas."""
    header = request.headers.get("If-None-Match", "").strip()
    return header == "*" or any(tag in alternatives for alternatives in _ENTITY_TAG.findall(header))


def _tagged(response: Response, tag: str) -> Response:
    """Allow clients to cache the response if they revalidate it each time (RFC 9111, no-cache)."""
    response.etag = tag
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary = ["Accept"]
    return response


class _Ndjson:
    """One JSON object per line."""

    head = b""

    def encode(self, rows: Sequence[msgspec.Struct]) -> bytes:
        return _json.encode_lines(rows)


class _Csv:
    """CSV as in RFC 4180; the header has the JSON names. ``bom``: begin with a byte order mark.

    Excel reads UTF-8 only with such a mark; most other programs take it for a part of the first name.
    """

    def __init__(self, row: type[msgspec.Struct], *, bom: bool) -> None:
        fields = msgspec.structs.fields(row)
        self._names = [field.name for field in fields]
        self.head = (codecs.BOM_UTF8 if bom else b"") + self._lines([[field.encode_name for field in fields]])

    def encode(self, rows: Sequence[msgspec.Struct]) -> bytes:
        return self._lines([[_cell(getattr(row, name)) for name in self._names] for row in rows])

    @staticmethod
    def _lines(cells: list[list[Any]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(cells)
        return text.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    if isinstance(value, str):
        # A spreadsheet would run a text that looks like a formula; the apostrophe prevents it.
        if ";" in value or "\t" in value:
            value = _INNER_FORMULA.sub("'", value)
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value


class _Stream:
    """The body of an export; the server closes it at the end, or when the client disconnects."""

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
        self._first_chunk: bytes | None = None

    @property
    def version(self) -> str:
        return self._export.version

    def begin(self) -> None:
        """Read the first rows; if there are more, take a slot for a large export.

        Raises:
            TooManyExports: no slot is free.
        """
        batches = iter(self._find(self._export))
        first, second = next(batches, ()), next(batches, None)
        if second is not None:
            self._open.callback(self._request.take_export_slot())
            self._batches = chain([second], batches)
        self._first_chunk = self._writer.head + self._encoded(first)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first_chunk is not None:
            chunk, self._first_chunk = self._first_chunk, None
            return chunk
        try:
            return self._encoded(next(self._batches))
        except StopIteration:
            raise
        except Exception as error:  # noqa: BLE001  # the server would log its message, which may contain data
            log_unexpected(error, self._request)
        raise ExportAborted(self._request.id)

    def close(self) -> None:
        self._open.close()

    def _encoded(self, rows: Sequence[msgspec.Struct]) -> bytes:
        self._request.trail.read(len(rows))
        return self._writer.encode(rows)
