"""Read names and values from a query string. Unknown or invalid parameters are refused, never ignored."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import colander

from paymentagg.domain.errors import InvalidParameter

ALIASES = {"payments_min": "payment_min", "payments_max": "payment_max"}
_PAGING = ("limit", "after", "count")

_FILTERS = (
    *("payment_min", "payment_max", "external_id", "q", "updated_since"),
    *("model", "kind", "patient", "payment"),
)
"""The parameters that count as not sent if they are empty: forms send their empty fields."""

# A percent sign at the very end is unambiguous, and common: max_delete=50%
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}|\Z)")


def decoded_pairs(query_string: str) -> list[tuple[str, str]]:
    """Return names and values in their original order.

    Raises:
        InvalidParameter: a name or value isn't percent-encoded UTF-8, or has a ``;``, which some treat as ``&``.
    """
    pairs = []
    for field in filter(None, query_string.split("&")):
        name, _, value = field.partition("=")
        if ";" in field:
            raise InvalidParameter(name.partition(";")[0], "write a ; in a value as %3B; separate parameters by &")
        pairs.append((_decoded(name, name), _decoded(name, value)))
    return pairs


def _decoded(name: str, text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise InvalidParameter(name, "write a percent sign as %25")
    try:
        # WSGI decodes bytes as Latin-1 (PEP 3333).
        return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise InvalidParameter(name.encode("ascii", "replace").decode(), "must be UTF-8, percent-encoded") from None


class Parameters:
    """The parameters of a request by name, aliases replaced; each may be sent only once."""

    def __init__(self, query_string: str) -> None:
        self.texts: dict[str, str] = {}
        self.name_of: dict[str, str] = {}
        sent_names = set()
        for sent, text in decoded_pairs(query_string):
            name = ALIASES.get(sent, sent)
            if sent in sent_names or (text and self.texts.get(name)):
                raise InvalidParameter(sent, "must be given only once")
            sent_names.add(sent)
            if text or name not in self.texts:
                self.texts[name] = text
                self.name_of[name] = sent

    def read(self, schema: Any, *, paged: bool = True, csv: bool = False) -> dict[str, Any]:  # colander has no types
        """Return the values by name; known filters with an empty value count as not sent.

        Raises:
            InvalidParameter: a parameter is unknown or invalid, or is one for pages or CSV where there are none.
        """
        given = {
            name: text for name, text in self.texts.items() if text or name not in _FILTERS or schema.get(name) is None
        }
        for name in _PAGING:
            if not paged and name in given:
                raise InvalidParameter(name, "can't be used for an export, which has no pages")
        if not csv and "bom" in given and schema.get("bom") is not None:
            raise InvalidParameter("bom", "is only for CSV; send Accept: text/csv, or leave it out")
        try:
            return dict(schema.deserialize(given))
        except colander.UnsupportedFields as unknown:
            name = next(name for name in given if name in unknown.fields)
            known = ", ".join(node.name for node in schema.children) or "none"
            raise InvalidParameter(self.name_of[name], f"is not a known parameter here; there are {known}") from None
        except colander.Invalid as invalid:
            name, reason = next(iter(invalid.asdict().items()))
            raise InvalidParameter(self.name_of[name], reason) from None
