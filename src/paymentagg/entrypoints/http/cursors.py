"""Cursors: the position where the next page begins, as opaque text that the client sends back.

A cursor is bound to its query: with another resource, filter or order it is refused. Its checksum isn't secret, so
the content is validated like any other input.
"""

import base64
import binascii
import hashlib
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from paymentagg.domain.errors import InvalidParameter
from paymentagg.domain.model import Model, Text
from paymentagg.domain.queries import SortKey
from paymentagg.domain.text import INVALID_TEXT

_CHECKSUM_BYTES = 8
_OF_PAGES = ("after", "limit", "count", "sum")
"""The fields of queries that may differ between pages."""
_MAX_LENGTH = 4000  # well above the longest name in base64

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Total = Annotated[str, msgspec.Meta(pattern=r"\A-?[0-9]{1,16}\.[0-9]{2}\Z")]

_SHAPES: dict[SortKey, Any] = {
    SortKey.ID: tuple[_Id],
    SortKey.EXTERNAL_ID: tuple[Text],
    SortKey.LAST_NAME: tuple[Text, _Id],
    SortKey.PAYMENT_TOTAL: tuple[_Total, _Id],
}


def write_cursor(query: msgspec.Struct, position: tuple[Any, ...]) -> str:
    """Return the cursor for the rows of the query that come after ``position``."""
    payload = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_checksum(query, payload) + payload).rstrip(b"=").decode()


PLACE: Any = tuple[Model, _Id]
"""The shape of a position among the changes or the rejected rows of a sync."""
PLACE_IN_HISTORY: Any = tuple[_Id, Model, _Id]
"""The shape of a position in the history of a row."""


def read_cursor(query: msgspec.Struct, cursor: str, sort: SortKey = SortKey.ID, *, shape: Any = None) -> Any:
    """Return the position in a cursor of the same query: a Position, or if ``shape`` is given, a value of that type.

    Raises:
        InvalidParameter: the cursor is invalid, or was made for another query.
    """
    try:
        if len(cursor) > _MAX_LENGTH:
            raise ValueError
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        checksum, payload = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
        # Decoding base64 ignores foreign characters and unused bits, so compare with the canonical encoding.
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor or checksum != _checksum(query, payload):
            raise ValueError
        position = msgspec.json.decode(payload, type=shape or _SHAPES[sort])
        if any(isinstance(value, str) and INVALID_TEXT.search(value) for value in position):
            raise ValueError
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidParameter(
            "after", "must be the cursor from a Link header, used with the same filters and order"
        ) from None
    return (Decimal(position[0]), position[1]) if sort is SortKey.PAYMENT_TOTAL else position


def _checksum(query: msgspec.Struct, payload: bytes) -> bytes:
    criteria = msgspec.json.encode(
        {name: value for name, value in msgspec.structs.asdict(query).items() if name not in _OF_PAGES}
    )
    digest = hashlib.sha256(b"\0".join([type(query).__name__.encode(), criteria, payload]))
    return digest.digest()[:_CHECKSUM_BYTES]
