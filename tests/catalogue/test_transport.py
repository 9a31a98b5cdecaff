"""T: the request with a snapshot. Tests that need raw sockets are in tests/functional."""

import gzip
import io

import pytest
from webtest import TestApp, TestRequest

from api import JSON, MULTIPART, NDJSON, PATIENTS, checked, multipart, part, post
from builders import array, gzipped, ndjson
from cases import catalogued
from paymentagg.app import main
from practice import Practice

ROWS = array(*PATIENTS)
ZIPPED = gzipped(ROWS)
LIMIT = 65536
SPACES = b"[" + b" " * LIMIT
HALF = b" " * (LIMIT * 2 // 3)
BOMB = gzipped(b"[" + b" " * 65_000_000)
MODELS = ("/patients", "/payments")
FORMS = {JSON: "/patients", MULTIPART: "/snapshot"}


def form(*parts: bytes) -> tuple[str, str, bytes]:
    """Return the path, the media type and the body of a form."""
    return "/snapshot", MULTIPART, multipart(*parts)


EMPTY = {
    "T01": [
        *((path, media, b"") for media, path in FORMS.items()),
        *(("/payments", NDJSON, body) for body in (b"", b" \n", b"\xef\xbb\xbf")),
    ]
}
UNSUPPORTED = {
    "T02": [
        *(
            (path, media, ROWS)
            for path in MODELS
            for media in (
                *("", "json", "text/plain", "text/csv", "application/zip", "application/gzip", MULTIPART),
                *("application/x-www-form-urlencoded", "application/json; charset=utf-16"),
                *("application/x-ndjson; charset=latin-1", "application/json, application/json"),
            )
        ),
        *(
            ("/snapshot", media, ROWS)
            for media in ("", JSON, "application/x-www-form-urlencoded", "multipart/mixed; boundary=a")
        ),
        *(
            form(part("patients", ROWS, media))
            for media in ("text/csv", "application/zip", "application/json; charset=utf-16")
        ),
    ],
}
TOO_LARGE = {
    "T03": [
        ("/patients", JSON, SPACES),
        form(part("patients", SPACES)),
        form(part("patients", HALF), part("payments", HALF)),
    ],
    "T09": [("/patients", JSON, BOMB), form(part("patients", BOMB))],
}
DAMAGED = {
    "T02": [("/patients", JSON, b"PK\x03\x04" + ROWS)],
    "T08": [
        ("/patients", media, body)
        for media in (JSON, NDJSON)
        for body in (
            *(ZIPPED[:-1], ZIPPED[:-9], ZIPPED[:5], ZIPPED[:2], ZIPPED[:-4] + b"\x00\x00\x00\x01"),
            *(ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], ZIPPED + b"more", ZIPPED + ROWS),
            *(ZIPPED[:10] + b"\xff" * 20, ZIPPED[:2] + b"\x07" + ZIPPED[3:]),
        )
    ],
}
REFUSED = [
    *((parameters, "invalid-snapshot", 400) for parameters in (*catalogued(EMPTY), *catalogued(DAMAGED))),
    *((parameters, "unsupported-media-type", 415) for parameters in catalogued(UNSUPPORTED)),
]


@pytest.mark.parametrize(
    ("path", "media", "body", "code", "status"),
    [pytest.param(*each.values, code, status, id=each.id) for each, code, status in REFUSED],
)
def test_a_body_that_is_no_snapshot_changes_nothing(
    app: TestApp, stored: Practice, path: str, media: str, body: bytes, code: str, status: int
) -> None:
    before = stored.answers()
    checked(post(app, path, body, media, status=status), code, status)
    assert stored.answers() == before


DECLARED_AS_GZIP = {
    "T08": [("/patients", JSON, body) for body in (b"", ROWS, ZIPPED[:-1], ZIPPED + b"more", ZIPPED + b"\0" * 9)],
}


@pytest.mark.parametrize(("path", "media", "body"), catalogued(DECLARED_AS_GZIP))
def test_a_body_declared_as_gzip_must_be_gzip(
    app: TestApp, stored: Practice, path: str, media: str, body: bytes
) -> None:
    before = stored.answers()
    checked(post(app, path, body, media, status=400, Content_Encoding="gzip"), "invalid-snapshot", 400)
    assert stored.answers() == before


ENCODINGS = {
    "T10": [
        *(
            (path, media, encoding)
            for path, media in (("/patients", JSON), ("/payments", NDJSON), ("/snapshot", MULTIPART))
            for encoding in ("br", "deflate", "gzip, gzip", "gzip,identity", "zstd", "")
        ),
        *(("/snapshot", MULTIPART, encoding) for encoding in ("gzip", "x-gzip")),
    ]
}


@pytest.mark.parametrize(("path", "media", "encoding"), catalogued(ENCODINGS))
def test_another_encoding_is_refused_with_the_supported_ones(
    app: TestApp, path: str, media: str, encoding: str
) -> None:
    response = post(app, path, ROWS, media, status=415, Content_Encoding=encoding)
    checked(response, "unsupported-encoding", 415)
    assert "identity" in response.headers["Accept-Encoding"]


METHODS = {
    "T13": [
        *(
            (method, path, allowed)
            for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")
            for path, allowed in (
                *((path, "GET, HEAD, POST") for path in MODELS),
                *((path, "GET, HEAD") for path in ("/patients/5", "/syncs", "/syncs/1")),
                ("/snapshot", "POST"),
            )
        ),
        ("POST", "/patients/5", "GET, HEAD"),
        ("POST", "/syncs", "GET, HEAD"),
        ("GET", "/snapshot", "POST"),
    ]
}


@pytest.mark.parametrize(("method", "path", "allowed"), catalogued(METHODS))
def test_a_method_that_a_path_does_not_allow_is_refused_with_those_it_allows(
    app: TestApp, method: str, path: str, allowed: str
) -> None:
    response = app.request(path, method=method, status=405)
    checked(response, "method-not-allowed", 405)
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize("path", [pytest.param("/patients", id="T02-none"), pytest.param("/snapshot", id="T02-form")])
def test_a_missing_content_type_is_not_supported(app: TestApp, path: str) -> None:
    request = TestRequest.blank(path, method="POST", body=ROWS)
    assert "Content-Type" not in request.headers
    checked(app.do_request(request, status=415), "unsupported-media-type", 415)


@pytest.mark.parametrize(("path", "media", "body"), catalogued(TOO_LARGE))
def test_what_is_too_large_as_sent_or_expanded_is_refused(
    narrow: TestApp, stored: Practice, path: str, media: str, body: bytes
) -> None:
    before = stored.answers()
    checked(post(narrow, path, body, media, status=413), "too-large", 413)
    assert stored.answers() == before


@pytest.mark.parametrize(("media", "path"), catalogued({"T03": FORMS.items()}))
def test_a_length_over_the_limit_is_refused_before_anything_is_read(narrow: TestApp, path: str, media: str) -> None:
    request = TestRequest.blank(path, method="POST", content_type=media)
    request.environ["wsgi.input"] = io.BytesIO()
    request.environ["CONTENT_LENGTH"] = str(LIMIT + 1)
    checked(narrow.do_request(request, status=413), "too-large", 413)


@pytest.mark.parametrize("body", [pytest.param(ROWS + b" " * (LIMIT - len(ROWS)), id="T03-limit")])
def test_what_is_just_at_the_limit_is_taken(narrow: TestApp, body: bytes) -> None:
    assert post(narrow, "/patients", body).json["patients"]["rows"] == 3


VALID_GZIP = {
    "T07": [
        (media, encoding, body)
        for media, sent in ((JSON, ROWS), (NDJSON, ndjson(*PATIENTS)))
        for encoding in (None, "gzip", "GZIP", "x-gzip", "X-Gzip")
        for body in (gzipped(sent), gzip.compress(sent[:20]) + gzip.compress(sent[20:]), gzipped(sent) + gzipped(b""))
    ]
    + [(JSON, "identity", ROWS), ('Application/JSON;Charset="UTF-8"', None, ROWS)]
}


@pytest.mark.parametrize(("media", "encoding", "body"), catalogued(VALID_GZIP))
def test_a_snapshot_may_be_gzipped_and_may_say_so(
    empty: TestApp, media: str, encoding: str | None, body: bytes
) -> None:
    headers = {} if encoding is None else {"Content_Encoding": encoding}
    assert post(empty, "/patients", body, media, 200, **headers).json["patients"]["created"] == 3


@pytest.fixture
def narrow(database_url: str, monkeypatch: pytest.MonkeyPatch) -> TestApp:
    """The application, with LIMIT as the limit for uploads."""
    monkeypatch.setenv("PAYMENTAGG_MAX_UPLOAD_BYTES", str(LIMIT))
    return TestApp(main({}, **{"sqlalchemy.url": database_url}))
