"""Error responses: all have the same shape (RFC 9457), and none shows internal messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPBadRequest, HTTPForbidden, HTTPFound, HTTPNotFound, HTTPUnauthorized
from webob.request import DisconnectionError
from webtest import TestApp

from api import PRIVATE, checked, post, raising
from builders import array, patient_row
from paymentagg.domain.changes import Rejection
from paymentagg.domain.errors import (
    DeletionRefused,
    InvalidParameter,
    InvalidSnapshot,
    Loss,
    PaymentAggError,
    RejectedRows,
    SnapshotTooLarge,
    StorageUnavailable,
    SyncInProgress,
)
from paymentagg.domain.model import Model
from paymentagg.domain.report import ModelReport, Report
from paymentagg.entrypoints.http import errors
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.http.security_headers import HEADERS


@pytest.mark.parametrize(
    ("method", "url", "headers", "code", "status"),
    [
        ("GET", "/", {}, "not-found", 404),
        ("GET", "/nothing", {}, "not-found", 404),
        ("POST", "/nothing", {}, "not-found", 404),
        ("GET", "/patients/nobody", {}, "not-found", 404),
        ("GET", "/patients/", {}, "not-found", 404),
        ("GET", "/patients%0a", {}, "not-found", 404),
        ("GET", "/patients?x=1", {}, "invalid-parameter", 400),
        ("GET", "/patients?%ff=1", {}, "invalid-parameter", 400),
        ("GET", "/patients?=1", {}, "invalid-parameter", 400),
        ("GET", "/%ff", {}, "invalid-parameter", 400),
        ("GET", "/patients/%ff", {}, "invalid-parameter", 400),
        ("POST", "/patients/%ED%A0%80", {}, "invalid-parameter", 400),
        ("GET", "/patients", {"Accept": "image/png"}, "not-acceptable", 406),
        ("GET", "/syncs", {"Accept": "text/csv"}, "not-acceptable", 406),
        ("PUT", "/patients", {}, "method-not-allowed", 405),
        ("POST", "/patients", {"Content-Type": "text/xml"}, "unsupported-media-type", 415),
        ("POST", "/patients", {"Content-Type": "application/json"}, "invalid-snapshot", 400),
    ],
)
def test_every_error_has_the_same_shape(
    app: TestApp, method: str, url: str, headers: dict[str, str], code: str, status: int
) -> None:
    response = app.request(url, method=method, headers=headers, status=status)
    assert "nobody" not in checked(response, code, status)["detail"]
    assert HEADERS.items() <= dict(response.headers).items()


def test_head_of_an_error_has_no_body(app: TestApp) -> None:
    response = app.head("/nothing", status=404)
    assert (response.content_type, response.body) == ("application/problem+json", b"")


REPORT_TIME = datetime(2024, 1, 1, tzinfo=UTC)


LOSS = Loss(Model.PAYMENT, stored=300, would_delete=200)
REMEDIES: dict[type[PaymentAggError], str] = {DeletionRefused: "; if that is right: max_delete=200"}
REJECTION = Rejection.of(Model.PATIENT, 3, "7", "firstName", "blank")


@pytest.mark.parametrize(
    ("error", "status", "members", "headers"),
    [
        (InvalidParameter("limit", "must be small"), 400, {"parameter": "limit"}, {}),
        (InvalidSnapshot("it is cut", offset=0, row=3), 400, {"offset": 0, "row": 3}, {}),
        (InvalidSnapshot("it is cut"), 400, {}, {}),
        (errors.NotFound(), 404, {}, {}),
        (errors.MethodNotAllowed(["GET"]), 405, {}, {"Allow": "GET"}),
        (errors.NotAcceptable(["text/csv"]), 406, {}, {}),
        (
            DeletionRefused([LOSS], LOSS, limit=100),
            409,
            {"model": "payment", "stored": 300, "wouldDelete": 200, "limit": 100},
            {},
        ),
        (SyncInProgress(), 409, {}, {"Retry-After": "5"}),
        (SnapshotTooLarge(10), 413, {}, {}),
        (errors.UnsupportedMediaType(["text/csv"]), 415, {}, {}),
        (errors.UnsupportedEncoding(["gzip"]), 415, {}, {"Accept-Encoding": "gzip"}),
        (StorageUnavailable("it is gone"), 503, {}, {"Retry-After": "10"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_problem_has_the_data_of_its_error(
    error: PaymentAggError, status: int, members: dict[str, Any], headers: dict[str, str]
) -> None:
    response = raising(error).get("/", status=status)
    problem = checked(response, error.code, status)
    assert problem["detail"] == f"{error}{REMEDIES.get(type(error), '')}"
    assert {name: problem[name] for name in set(problem) - {"type", "title", "status", "detail"}} == members
    assert {name: response.headers[name] for name in headers} == headers


def test_rejected_rows_are_listed_and_the_rest_is_counted(app: TestApp) -> None:
    rows = array(*(patient_row(str(number), firstName="") for number in range(103)))
    response = post(app, "/patients?strict=true", rows, status=422)
    problem = checked(response, "rejected-rows", 422)
    assert [error["row"] for error in problem["errors"]] == list(range(1, 101))
    assert set(problem["errors"][0]) == {"model", "row", "externalId", "field", "code", "message", "value"}
    assert problem["errorsOmitted"] == 3


def test_every_error_of_the_domain_is_in_the_table() -> None:
    codes = {error.code for error in PaymentAggError.__subclasses__() if error.__module__ == PaymentAggError.__module__}
    assert codes <= set(PROBLEMS)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (HTTPNotFound(PRIVATE), "not-found", 404),
        (HTTPForbidden(PRIVATE), "forbidden", 403),
        (HTTPUnauthorized(PRIVATE, headers={"WWW-Authenticate": "Bearer"}), "unauthorized", 401),
        (HTTPBadRequest(PRIVATE), "bad-request", 400),
        (DisconnectionError(PRIVATE), "invalid-snapshot", 400),
    ],
)
def test_errors_of_pyramid_get_the_same_shape_and_other_words(error: Exception, code: str, status: int) -> None:
    response = raising(error).get("/", status=status)
    checked(response, code, status)
    assert PRIVATE not in response.text
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_redirection_is_no_error() -> None:
    assert raising(HTTPFound("/elsewhere")).get("/", status=302).headers["Location"].endswith("/elsewhere")


def test_a_rejected_report_carries_its_rows() -> None:
    report = Report(None, False, REPORT_TIME, REPORT_TIME, ModelReport(rows=1, rejected=1), errors=[REJECTION])
    problem = checked(raising(RejectedRows(report)).get("/", status=422), "rejected-rows", 422)
    assert problem["errors"][0]["externalId"] == "7"
