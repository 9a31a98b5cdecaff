"""Unexpected errors, and errors that occur before or after the view."""

import logging
import uuid
from collections.abc import Callable

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from webtest import TestApp

from api import PRIVATE, checked, raising
from paymentagg.domain.errors import StorageUnavailable
from paymentagg.entrypoints.http import problems, request


@pytest.mark.parametrize(
    "error", [RuntimeError(PRIVATE), KeyError(PRIVATE), UnicodeDecodeError("utf-8", b"\xff", 0, 1, PRIVATE)]
)
def test_an_unexpected_error_shows_an_id_only_and_the_log_shows_where(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    error.__cause__ = ValueError(PRIVATE)
    response = raising(error).get("/", status=500)
    problem = checked(response, "internal", 500)
    assert set(problem) == {"type", "title", "status", "detail", "id"}
    assert str(uuid.UUID(problem["id"])) in caplog.text
    assert type(error).__name__ in caplog.text
    assert "ValueError" in caplog.text
    assert "in raising" in caplog.text
    assert PRIVATE not in response.text + caplog.text
    assert all(record.exc_info is None for record in caplog.records)


class Failing:
    """A data manager whose vote raises an error, so that nothing is committed."""

    transaction_manager = None

    def __init__(self, error: Exception) -> None:
        self.error = error

    def tpc_begin(self, transaction: object) -> None: ...

    def commit(self, transaction: object) -> None: ...

    def tpc_vote(self, _transaction: object) -> None:
        raise self.error

    def tpc_finish(self, transaction: object) -> None: ...

    def tpc_abort(self, transaction: object) -> None: ...

    def abort(self, transaction: object) -> None: ...

    def sortKey(self) -> str:  # noqa: N802  # the transaction package requires the name
        return "failing"


def committing(join: Callable[[Request], object]) -> TestApp:
    """Return an application whose view succeeds after ``join`` has changed the transaction or the request."""

    def view(request: Request) -> Response:
        join(request)
        return Response(PRIVATE)

    with Configurator() as config:
        config.include(problems)
        config.include(request)
        config.add_route("all", "/*rest")
        config.add_view(view, route_name="all")
        return TestApp(config.make_wsgi_app())


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(StorageUnavailable("it is gone"), "database-unavailable", 503), (RuntimeError(PRIVATE), "internal", 500)],
)
@pytest.mark.parametrize("when", ["at the commit", "after the commit", "in a response callback"])
def test_an_error_outside_of_the_view_has_the_same_shape(when: str, error: Exception, code: str, status: int) -> None:
    def fail(*_: object) -> None:
        raise error

    joins: dict[str, Callable[[Request], object]] = {
        "at the commit": lambda request: request.tm.get().join(Failing(error)),
        "after the commit": lambda request: setattr(request.tm, "commit", fail),
        "in a response callback": lambda request: request.add_response_callback(fail),
    }
    response = committing(joins[when]).post("/", status=status)
    checked(response, code, status)
    assert PRIVATE not in response.text


def test_only_requests_that_may_write_have_a_transaction() -> None:
    app = committing(lambda request: request.tm.get())
    app.post("/")
    checked(app.get("/", status=500), "internal", 500)
    app.head("/", status=500)


def test_a_transaction_that_cannot_begin_has_the_same_shape() -> None:
    error = StorageUnavailable("it is gone")

    class NoManager:
        def begin(self) -> None:
            raise error

    with Configurator(settings={"tm.manager_hook": lambda _: NoManager()}) as config:
        config.include("pyramid_tm")
        config.include(problems)
        app = TestApp(config.make_wsgi_app())
    response = app.get("/", status=503)
    checked(response, "database-unavailable", 503)
    assert response.headers["Retry-After"] == "10"


def test_an_unavailable_database_is_logged_without_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    error = StorageUnavailable("it is gone")
    error.__cause__ = RuntimeError(PRIVATE)
    with caplog.at_level(logging.DEBUG):
        raising(error).get("/", status=503)
    assert "it is gone" in caplog.text
    assert PRIVATE not in caplog.text
