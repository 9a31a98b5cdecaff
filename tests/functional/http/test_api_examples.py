"""The description in /openapi.json is valid OpenAPI 3.1, and its examples are what a server answers."""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema_rs
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from webtest import TestApp

from api import JSON, MULTIPART, multipart, part
from paymentagg.entrypoints.http.openapi import document, examples
from paymentagg.entrypoints.http.openapi.operations import OPERATIONS, TAGS
from paymentagg.entrypoints.http.responses import XLSX

DOCUMENT: dict[str, Any] = json.loads(document.description())
REQUESTS = {
    (method, path): operation
    for (method, path), operation in OPERATIONS.items()
    if path not in ("/openapi.json", "/metrics")
}
IN_ORDER = sorted(REQUESTS, key=lambda each: [*vars(examples).values()].index(REQUESTS[each].example))
"""The requests in the order in which their examples are written; health checks, which share one, come last."""


def test_it_is_valid_and_so_is_each_schema_in_it() -> None:
    OPENAPI_31_VALIDATOR.validate(DOCUMENT)
    schemas = [
        value for name, value in members(DOCUMENT) if name == "schema" or name in DOCUMENT["components"]["schemas"]
    ]
    assert schemas
    for schema in schemas:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere() -> None:
    for name, value in members(DOCUMENT):
        if name == "$ref":
            found: Any = DOCUMENT
            for step in value.removeprefix("#/").split("/"):
                found = found[step]


def test_operations_have_stable_ids_and_known_tags() -> None:
    assert {operation.id for operation in OPERATIONS.values()} == {
        *("listPatients", "getPatient", "syncPatients", "listPayments", "getPayment", "syncPayments"),
        *("syncSnapshot", "listSyncs", "getSync", "listChanges", "listRejections", "undoSync", "getHistory"),
        *(
            "getFigures",
            "getHistogram",
            "listSyncDays",
            "checkLiveness",
            "checkReadiness",
            "getDescription",
            "getMetrics",
        ),
    }
    assert {operation.tag for operation in OPERATIONS.values()} == set(TAGS)


def test_all_errors_have_one_schema_and_an_example() -> None:
    for operation in operations():
        for status, response in operation["responses"].items():
            if status >= "400":
                assert [*response["content"]] == ["application/problem+json"]
                media = response["content"]["application/problem+json"]
                assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert media["examples"]


def test_every_example_is_as_its_schema_says() -> None:
    count = 0
    for operation in operations():
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for found in (*bodies, *operation["responses"].values()):
            for media, content in found.get("content", {}).items():
                assert {"example", "examples"} & content.keys() or media == XLSX
                for example in values(content):
                    whole = {**content["schema"], "components": DOCUMENT["components"]}
                    jsonschema_rs.validator_for(whole, validate_formats=True).validate(example)
                    count += 1
    assert count > 100


def test_every_time_and_amount_is_described_as_such() -> None:
    for name, schema in members(DOCUMENT["components"]["schemas"]):
        if name in {"created", "updated", "at", "startedAt", "finishedAt", "lastGoodSync"} and "type" in str(schema):
            assert "'date-time'" in str(schema)
        if name in {"sum", "paymentTotal", "from", "to"} or name.endswith(("Payment", "PatientTotal")):
            assert "Amount" in str(schema) or name in DOCUMENT["components"]["schemas"]


def test_the_examples_are_what_a_server_answers(app: TestApp) -> None:
    for method, path in IN_ORDER:
        described = DOCUMENT["paths"][path][method.lower()]
        for media, content in described["responses"]["200"]["content"].items():
            if media != XLSX:
                headers = {"Accept": media}
                answer = app.request(target(path, described), method=method, headers=headers, **sent(described))
                expected = content["example"]
                found = answer.json if media == JSON else answer.body.decode()
                assert untimed(found) == untimed(expected), (method, path, media)


def sent(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for the body of the example."""
    if "requestBody" not in operation:
        return {}
    media, content = next(iter(operation["requestBody"]["content"].items()))
    if media == JSON:
        return {"body": json.dumps(content["example"]).encode(), "content_type": media}
    parts = [part(name, text.encode(), None) for name, text in content["example"].items()]
    return {"body": multipart(*parts), "content_type": MULTIPART}


def target(path: str, operation: dict[str, Any]) -> str:
    """Return the path and the query of the example."""
    given = [each for each in operation["parameters"] if "example" in each]
    for each in given:
        path = path.replace("{" + each["name"] + "}", quote(str(each["example"]), safe=""))
    query = urlencode({each["name"]: each["example"] for each in given if each["in"] == "query"})
    return f"{path}?{query}"


def untimed(value: Any) -> str:
    """Return a value as JSON with the same for all times and days, but for births."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", json.dumps(value))
    return re.sub(r'"day": "[^"]*"', '"day": "DAY"', text)


def operations() -> list[dict[str, Any]]:
    """Return all operations of the description."""
    return [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]


def values(content: dict[str, Any]) -> list[Any]:
    """Return the examples of a media type."""
    if "example" in content:
        return [content["example"]]
    names = [each["$ref"].rpartition("/")[2] for each in content.get("examples", {}).values()]
    return [DOCUMENT["components"]["examples"][name]["value"] for name in names]


def members(value: Any) -> list[tuple[str, Any]]:
    """Return all members of all objects in a JSON value."""
    if isinstance(value, list):
        return [found for each in value for found in members(each)]
    if not isinstance(value, dict):
        return []
    return [*value.items(), *(found for each in value.values() for found in members(each))]
