"""Build responses in JSON, with pages and entity tags; select the media type of a response."""

import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version as installed_version
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from pyramid.config import Configurator
from pyramid.response import Response
from webob.acceptparse import create_accept_header

from paymentagg.domain.queries import Page
from paymentagg.domain.report import Report
from paymentagg.entrypoints.http.errors import NotAcceptable, NotFound
from paymentagg.entrypoints.http.parameters.query_string import decoded_pairs
from paymentagg.entrypoints.http.request import Request

T = TypeVar("T")

JSON = "application/json"
NDJSON = "application/x-ndjson"
CSV = "text/csv"
TEXT = "text/plain"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_MEDIA_RANGE = re.compile(r'(?:[^,"]++|"[^"]*+"?)++')
"""One element of an Accept header: up to the next comma outside of quotes. Linear in time: headers can be long."""
_WEIGHT = re.compile(r"\s*q\s*=\s*[0-9.]+\s*", re.IGNORECASE)

_ENTITY_TAG = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')
"""One element of an If-None-Match header; some clients leave out the quotes."""

_json = msgspec.json.Encoder(decimal_format="number")


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
    tag = tag_of(request, media, (version or request.syncs.version)())
    return tagged(Response(status=304), tag) if _is_known(request, tag) else None


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
    response = body_of(JSON, _json.encode(report))
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _found(request: Request, page: Page[T], found: object) -> Response:
    """Return the result as JSON, or 304 if the client has it."""
    tag = tag_of(request, JSON, page.version)
    if _is_known(request, tag):
        return tagged(Response(status=304), tag)
    request.trail.read(len(page.items))
    return tagged(body_of(JSON, _json.encode(found)), tag)


def body_of(media: str, body: bytes) -> Response:
    """Return a response with this body."""
    return Response(content_type=media, charset="utf-8" if media == CSV else None, body=body)


def tag_of(request: Request, media: str, version: str) -> str:
    """Return the entity tag of the response to this request, without quotes, if the data have this version."""
    # The rows of one version are the same, whichever sync was asked for.
    query = "&".join(field for field in request.query_string.split("&") if not field.startswith("min_sync="))
    parts = [request.registry.paymentagg_version, version, request.path_info, query, media]
    parts.append(request.authenticated_userid or "")  # which syncs are visible depends on the key
    if request.practice is not None:
        parts.append(request.practice)
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:32]


def _is_known(request: Request, tag: str) -> bool:
    """Return whether If-None-Match has the tag, compared weakly (RFC 9110, 13.1.2). WebOb misses tags after commas."""
    header = request.headers.get("If-None-Match", "").strip()
    return header == "*" or any(tag in alternatives for alternatives in _ENTITY_TAG.findall(header))


def tagged(response: Response, tag: str) -> Response:
    """Allow clients to cache the response if they revalidate it each time (RFC 9111, no-cache)."""
    response.etag = tag
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary = ["Accept"]
    return response
