"""The description as a document: what the tables say, in the form of OpenAPI 3.1."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from paymentagg.entrypoints.http.exports import NOTICE
from paymentagg.entrypoints.http.openapi import problem_schema, value_schemas
from paymentagg.entrypoints.http.openapi.operations import OPERATIONS, TAGS, Operation
from paymentagg.entrypoints.http.openapi.parameter_schemas import IDEMPOTENCY_KEY, IF_NONE_MATCH, PATH, QUERY
from paymentagg.entrypoints.http.parameters import query_string
from paymentagg.entrypoints.http.responses import XLSX

_ABOUT = """The patients of a medical practice and their payments, kept in sync with an external system.

That system sends its whole state as snapshots.

Every GET answers HEAD too. Reads of data have an ETag; send it back as If-None-Match, and the answer is 304 as long as
nothing has changed. Amounts are numbers with two decimals: parse them as decimals, not as floats. Errors are problems
(RFC 9457) of one schema, whose type ends in a stable code."""

_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"schema": {"type": "string"}, "description": "the version of this response, for If-None-Match"},
    "Link": {"schema": {"type": "string"}, "description": 'the next page, if there is one: <URL>; rel="next"'},
    "X-Total-Count": {"schema": {"type": "integer"}, "description": "the rows on all pages; only with count=exact"},
    NOTICE: {"schema": {"type": "string"}, "description": f"why the response isn't {XLSX}, if that was asked for"},
    "Content-Disposition": {"schema": {"type": "string"}, "description": "the name of the file; only of an export"},
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "this is the stored answer to the first request with this Idempotency-Key",
    },
} | problem_schema.HEADERS


@cache
def description() -> bytes:
    """Return the description as JSON."""
    types = [response for operation in OPERATIONS.values() for response in operation.responses.values()]
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas_of = iter(map(value_schemas.adapted, found))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        responses = {media: next(schemas_of) for media in operation.responses}
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, responses)
    values = value_schemas.adapted(components | value_schemas.sent_rows())
    document = {
        "openapi": "3.1.0",
        "info": {"title": "paymentagg", "version": version("paymentagg"), "description": _ABOUT},
        "servers": [{"url": "/", "description": "the server that this description comes from"}],
        "tags": [{"name": name, "description": meaning} for name, meaning in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": {
                "Amount": value_schemas.AMOUNT,
                "Problem": problem_schema.SCHEMA,
                **value_schemas.completed(values),
            },
            "examples": problem_schema.EXAMPLES,
            "headers": _HEADERS,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API key, which begins with pagg_; a server without keys takes requests of its "
                    "own machine alone",
                }
            },
        },
        "security": [{"key": []}, {}],
    }
    return msgspec.json.Encoder(decimal_format="number").encode(document)


def _operation(method: str, path: str, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": _parameters(method, path, operation),
        "responses": _responses(method, operation, schemas) | problem_schema.responses(operation.problems),
    }
    if operation.body:
        content = {
            media: {"schema": schema, "example": operation.example.body[media]}
            for media, schema in operation.body.items()
        }
        document["requestBody"] = {"required": True, "content": content}
    if operation.is_public:
        document["security"] = [{}]
    return document


def _parameters(method: str, path: str, operation: Operation) -> list[dict[str, Any]]:
    """Return the parameters; those that the example is for have its values as examples."""
    places = [part.partition("}")[0] for part in path.split("{")[1:]]
    parameters = [{"name": name, "in": "path", "required": True, "schema": PATH[name]} for name in places]
    names = [node.name for node in operation.query.children]
    names += [alias for alias, name in query_string.ALIASES.items() if name in names]
    for name in names:
        schema = QUERY[query_string.ALIASES.get(name, name)]
        parameters.append({"name": name, "in": "query", "schema": schema})
    if method == "POST":
        parameters.append(IDEMPOTENCY_KEY)
    if operation.is_data:
        parameters.append(IF_NONE_MATCH)
    asked = operation.example.parameters
    return [each | ({"example": asked[each["name"]]} if each["name"] in asked else {}) for each in parameters]


def _responses(method: str, operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    answers = operation.example.answers
    content = {
        media: {"schema": schema} | ({"example": answers[media]} if media in answers else {})
        for media, schema in schemas.items()
    }
    names = ["Idempotent-Replayed"] if method == "POST" else []
    names += ["ETag"] if operation.is_data else []
    names += ["Link"] if operation.is_paged else []
    names += ["X-Total-Count"] if operation.is_counted else []
    names += ["Content-Disposition", NOTICE] if XLSX in schemas else []
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    done: dict[str, Any] = {"description": "done", "content": content} | ({"headers": headers} if headers else {})
    if not operation.is_data:
        return {"200": done}
    same = {"description": "the same as before", "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}
    return {"200": done, "304": same}
