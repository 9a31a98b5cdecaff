"""The API: each operation of the OpenAPI description, as the application serves it."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from webob import Request

from paymentagg.app import main


def text() -> str:
    """Return a section for each operation."""
    document = _document()
    return "\n\n".join(
        _section(document, path, method.upper(), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post")
    )


def _document() -> dict[str, Any]:
    """Return the answer of an application with an empty database."""
    with tempfile.TemporaryDirectory() as folder:
        application = main({}, **{"sqlalchemy.url": f"sqlite:///{Path(folder) / 'empty.sqlite'}"})
        answer = Request.blank("/openapi.json", base_url="http://localhost", remote_addr="127.0.0.1")
        document: dict[str, Any] = json.loads(answer.get_response(application).body)
        return document


def _section(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"## {method} {path}", _sentence(operation)]
    rows = list(_parameters(document, operation))
    if rows:
        parts.append("\n".join(["| parameter | in | values | |", "| --- | --- | --- | --- |", *rows]))
    if "requestBody" in operation:
        parts.append(
            "Body: " + ", ".join(f"`{media}`" for media in _found(document, operation["requestBody"])["content"])
        )
    statuses = [f"| {status} | {_answer(document, answer)} |" for status, answer in operation["responses"].items()]
    parts.append("\n".join(["| response | |", "| --- | --- |", *statuses]))
    return "\n\n".join(parts)


def _sentence(operation: dict[str, Any]) -> str:
    said: str = operation.get("description") or operation.get("summary", "")
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")


def _parameters(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    for each in operation.get("parameters", []):
        parameter = _found(document, each)
        said = parameter.get("description", "").replace("\n", " ").replace("|", "\\|")
        values = _values(document, parameter.get("schema", {}))
        yield f"| `{parameter['name']}` | {parameter['in']} | {values} | {said} |"


def _values(document: dict[str, Any], schema: dict[str, Any]) -> str:
    schema = _found(document, schema)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("format") or schema.get("type", "")
    bounds = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    default = f", default {schema['default']}" if "default" in schema else ""
    return f"{kind} {' to '.join(bounds)}".strip() + default


def _answer(document: dict[str, Any], answer: dict[str, Any]) -> str:
    found = _found(document, answer)
    media = ", ".join(f"`{name}`" for name in found.get("content", {}))
    return "; ".join(part for part in (found.get("description", "").replace("\n", " "), media) if part)


def _found(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the document, which may be a reference to another part."""
    while "$ref" in value:
        found: Any = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value
