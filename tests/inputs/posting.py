"""Requests whose status the test itself checks."""

from collections.abc import Mapping
from typing import Any

from webtest import TestApp, TestResponse

from api import JSON


def post_any(
    app: TestApp, path: str, body: bytes, media: str = JSON, headers: Mapping[str, str] | None = None
) -> TestResponse:
    """Post a body; return the answer, whatever its status is."""
    sent: Any = body  # WebTest accepts bytes, which its stubs don't allow; app.request() would make the body seekable
    return app.post(path, sent, headers={"Content-Type": media, **(headers or {})}, status="*")
