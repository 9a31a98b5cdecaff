"""The class of requests."""

import pytest

from paymentagg.app import main
from paymentagg.entrypoints.http.request import Request


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pyramid_makes_no_class_for_a_request(sqlite_url: str, method: str) -> None:
    router = main({}, **{"sqlalchemy.url": sqlite_url})
    environ = Request.blank("/patients", method=method).environ
    with router.request_context(environ) as request:
        assert type(request) is Request
