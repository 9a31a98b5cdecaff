"""Helpers for tests of the HTTP API: a small practice, requests, and a check for all problem responses."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2.extensions
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router
from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool
from webtest import TestApp, TestResponse

from builders import array, patient_row, payment_row
from paymentagg.entrypoints.http import problems

JSON = "application/json"
NDJSON = "application/x-ndjson"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

BOUNDARY = "a-boundary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

PRIVATE = "Deckard owes 17.22"
"""Data that no response and no log line may show."""

PATIENTS = [
    patient_row("5", firstName="Rick", lastName="Deckard"),
    patient_row("6", firstName="Roy", lastName="Batty", middleName="N6"),
    patient_row("8", firstName="Pris", lastName="Stratton", dateOfBirth=None),
]

PAYMENTS = [
    payment_row("501", "5", "4.46"),
    payment_row("502", "5", "5.66"),
    payment_row("503", "5", "7.10"),
    payment_row("601", "6", "0.10"),
    payment_row("602", "6", "0.20"),
]


def sync(app: TestApp, path: str, rows: list[Any], query: str = "?max_delete=100%25") -> dict[str, Any]:
    """Sync a snapshot of the rows; return the report."""
    report: dict[str, Any] = post(app, path + query, array(*rows)).json
    return report


def ids(response: TestResponse) -> list[str]:
    """Return the external ids of the rows in a response."""
    return [row["externalId"] for row in response.json]


def next_page(response: TestResponse) -> str:
    """Return the URL of the next page, from the ``Link`` header."""
    match = re.fullmatch(r'<([^<>]+)>; rel="next"', response.headers["Link"])
    assert match
    return match[1]


def post(app: TestApp, path: str, body: bytes, media: str = JSON, status: int = 200, **headers: str) -> TestResponse:
    """Send a body; in the names of headers, ``_`` stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent: Any = body  # WebTest takes bytes, which its stubs don't say; app.request would mark the body as seekable
    return app.post(path, sent, headers={"Content-Type": media, **named}, status=status)


def part(name: str, body: bytes, media: str | None = JSON, filename: str | None = "rows.json") -> bytes:
    """Return one part of a form, for ``multipart``."""
    file = f'; filename="{filename}"' if filename else ""
    kind = f"Content-Type: {media}\r\n" if media else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{kind}\r\n'
    return head.encode() + body + b"\r\n"


def multipart(*parts: bytes) -> bytes:
    """Return a ``multipart/form-data`` body of these parts, with the boundary of ``MULTIPART``."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def stored(app: TestApp) -> tuple[int, int]:
    """Return the numbers of stored patients and payments, up to 100 each."""
    return len(app.get("/patients").json), len(app.get("/payments").json)


def headers_of(response: TestResponse) -> tuple[tuple[str, str], ...]:
    """Return the headers, sorted, without the id, which no two responses share."""
    return tuple(sorted((name, value) for name, value in response.headers.items() if name != "X-Request-Id"))


def code(response: TestResponse) -> str:
    """Return the code of a problem."""
    kind: str = response.json["type"]
    return kind.rpartition(":")[2]


def checked(response: TestResponse, code: str, status: int) -> dict[str, Any]:
    """Return the problem, after checking its code, its status and the members that all problems have (RFC 9457)."""
    assert response.status_int == status
    assert response.content_type == "application/problem+json"
    problem: dict[str, Any] = response.json
    assert problem["type"].rpartition(":")[2] == code
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def registry(app: TestApp) -> Registry:
    """Return the registry of the Pyramid application that the client calls."""
    router = app.app
    assert isinstance(router, Router)
    return router.registry


def raising(error: Exception) -> TestApp:
    """Return an application whose view raises the error for every request."""

    def view(_request: Request) -> Response:
        raise error

    with Configurator(settings={}) as config:
        config.include(problems)
        config.add_route("all", "/*rest")
        config.add_view(view, route_name="all")
        return TestApp(config.make_wsgi_app())


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that SQLAlchemy runs in the block, except BEGIN; reads aren't among them: see ``sent``."""
    run: list[str] = []

    def note(*arguments: object) -> None:
        if arguments[2] != "BEGIN":
            run.append(str(arguments[2]))

    event.listen(Engine, "before_cursor_execute", note)
    yield run
    event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def sent(before: Callable[[int], object] = lambda _: None) -> Iterator[list[str]]:
    """Collect the statements that drivers get over connections taken from pools in the block, except BEGIN.

    Each is counted, and its number passed to ``before``, before it runs.
    """
    run: list[str] = []
    watched: list[Any] = []

    class Noting(psycopg2.extensions.cursor):
        def execute(self, query: Any, parameters: Any = None) -> None:
            note(query)
            super().execute(query, parameters)

    def note(statement: str) -> None:
        if statement != "BEGIN":
            run.append(re.sub("'[^']*'", "?", statement))  # on SQLite they contain the values
            before(len(run))

    def watch(driver: Any, *_: object) -> None:
        watched.append(driver)
        if isinstance(driver, sqlite3.Connection):
            driver.set_trace_callback(note)
        else:
            driver.cursor_factory = Noting

    event.listen(Pool, "checkout", watch)
    try:
        yield run
    finally:
        event.remove(Pool, "checkout", watch)
        for driver in watched:
            if isinstance(driver, sqlite3.Connection):
                driver.set_trace_callback(None)
            else:
                driver.cursor_factory = None
