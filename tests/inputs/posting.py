"""Requests whose status the test itself checks."""

from collections.abc import Mapping

from webtest import TestApp, TestResponse

from api import JSON


def post_any(
    app: TestApp, path: str, body: bytes, media: str = JSON, headers: Mapping[str, str] | None = None
) -> TestResponse:
    """Post a body; return the answer, whatever its status is."""
    all_headers = {"Content-Type": media, **(headers or {})}
    return app.request(path, method="POST", body=body, headers=all_headers, status="*")
