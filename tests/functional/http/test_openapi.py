"""GET /openapi.json: it describes all routes, and responses to generated requests match it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.errors import InvalidSchema
from schemathesis.core.result import Ok, Result
from schemathesis.schemas import APIOperation
from webtest import TestApp

from api import PATIENTS, sync
from paymentagg.entrypoints.http.openapi.operations import OPERATIONS
from paymentagg.entrypoints.http.parameters.schemas import PARAMETERS
from paymentagg.entrypoints.http.problem_codes import PROBLEMS
from paymentagg.entrypoints.http.routes import ROUTES

Operation = APIOperation[Any, Any, Any, Any]

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 25
"""Requests for each operation and engine; multiplied by the scale."""


def test_it_describes_every_route_parameter_and_code(app: TestApp) -> None:
    description = app.get("/openapi.json").json
    operations = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert operations == {(method, path.replace(":.+", "")) for path, methods in ROUTES.items() for method in methods}

    described = [operation for methods in description["paths"].values() for operation in methods.values()]
    queries = {part["name"] for each in described for part in each["parameters"] if part["in"] == "query"}
    assert queries == PARAMETERS

    codes = {code for each in OPERATIONS.values() for code in each.problems}
    # Every method that is described is allowed, and only the pages preview.
    assert codes == PROBLEMS.keys() - {"method-not-allowed", "preview-outdated"}


def test_it_takes_no_parameters_and_shows_no_data(app: TestApp) -> None:
    before = app.get("/openapi.json").body
    sync(app, "/patients", PATIENTS)
    assert app.get("/openapi.json").body == before
    app.get("/openapi.json?x=1", status=400)


@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_asked_the_answers_are_as_described(practice: TestApp, mode: GenerationMode, scale: int) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", local(practice.app))
    operations = [operation_of(result) for result in schema.get_all_operations()]
    # The description leaves itself out.
    assert {each.label for each in operations} == {f"{method} {path}" for method, path in OPERATIONS} - {
        "GET /openapi.json"
    }
    for operation in operations:

        @settings(max_examples=EXAMPLES * scale, phases=[Phase.generate], derandomize=True, database=None)
        @given(operation.as_strategy(generation_mode=mode))
        def is_answered_as_described(case: schemathesis.Case[Any]) -> None:
            response = case.call_and_validate(checks=CHECKS)
            if response.status_code >= 400:  # which codes an operation has is in the examples of its responses
                described = case.operation.definition.raw["responses"][str(response.status_code)]["content"]
                codes = described["application/problem+json"]["examples"]
                assert response.json()["type"].rpartition(":")[2] in codes

        if mode is GenerationMode.POSITIVE or operation.query or operation.body:  # negative cases need an input
            is_answered_as_described()


def operation_of(result: Result[Operation, InvalidSchema]) -> Operation:
    """Return the operation, and fail if schemathesis doesn't understand its description."""
    assert isinstance(result, Ok), result
    return result.ok()


def local(app: Any) -> Any:
    """Return the application with requests from this machine, which need no keys."""

    def asked(environ: dict[str, Any], start_response: Any) -> Any:
        return app(environ | {"REMOTE_ADDR": "127.0.0.1"}, start_response)

    return asked
