"""The schemas of rows, reports and figures: msgspec's, with what the types can't say."""

import re
from typing import Any

import msgspec

from paymentagg.domain.model import Patient, Payment
from paymentagg.domain.money import DECIMALS, NUMBER
from paymentagg.domain.rejection_messages import MESSAGES
from paymentagg.domain.text import MAX_TEXT

AMOUNT = {
    "type": "number",
    "format": "decimal",
    "x-decimal-places": DECIMALS,
    "description": "An amount of money, always with two decimals: 7.10. Parse it as a decimal, never as a float, which "
    "can't hold it: docs/integrators.md says how.",
}
"""The schema of amounts in responses. It has no ``multipleOf``: validators compute it with floats, and refuse 4.46."""

_REF = {"$ref": "#/components/schemas/Amount"}
_TIMES = {"created", "updated", "at", "startedAt", "finishedAt", "lastGoodSync"}
"""The fields that are times; msgspec describes those without constraints as any text."""
_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S"}
_SENT_AMOUNT = {
    "oneOf": [{"type": "number"}, {"type": "string", "pattern": f"^{NUMBER.pattern}$"}],
    "description": "at most ten digits before the point and two after it; a string is the way to send it exactly from "
    "languages whose numbers are floats",
}


def sent_rows() -> dict[str, Any]:
    """Return the schemas of the rows of snapshots by name; the patterns are rules that ``row_rules`` checks."""
    patient = msgspec.json.schema_components([Patient])[1]["Patient"]
    patient["properties"] |= {"firstName": _NAME, "lastName": _NAME}
    payment = msgspec.json.schema_components([Payment])[1]["Payment"]
    payment["properties"]["amount"] = _SENT_AMOUNT
    return {"SentPatient": patient | {"title": "SentPatient"}, "SentPayment": payment | {"title": "SentPayment"}}


def adapted(schema: Any) -> Any:
    """Return a schema of msgspec's as the API encodes values: amounts as numbers, and names as in JSON."""
    if isinstance(schema, list):
        return [adapted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return _REF
    found = {name: adapted(value) for name, value in schema.items()}
    if found.get("type") == "integer":
        found = {"format": "int64", **found}
    if isinstance(found.get("description"), str):
        found["description"] = _of_json(found["description"])
    return found


def completed(components: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas with the times and codes that msgspec leaves open."""
    for component in components.values():
        for name in _TIMES & component.get("properties", {}).keys():
            schema = component["properties"][name]
            schema.get("anyOf", [schema])[0]["format"] = "date-time"
    components["Rejection"]["properties"]["code"] = {"type": "string", "enum": [*MESSAGES]}
    components["ModelReport"]["properties"]["deletionsSuspended"] = {
        "anyOf": [{"type": "string", "enum": ["unreadable-external-id", "mostly-rejected"]}, {"type": "null"}],
        "description": "why nothing of this model was deleted, although rows were absent; else null",
    }
    return components


def _of_json(text: str) -> str:
    """Return a docstring in the words of JSON: ``payment_total`` is paymentTotal, and None is null."""
    text = re.sub(r"``([^`]+)``", lambda match: re.sub(r"_([a-z])", lambda part: part[1].upper(), match[1]), text)
    return text.replace("None", "null").replace("True", "true")
