"""What monitoring learns from a database: how old its data are, and how many of its connections are in use."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from paymentagg.domain.model import Model


class Freshness(msgspec.Struct, frozen=True):
    """When data were last synced. A *good* sync was done and isn't taken back; rejected rows don't matter."""

    last_good: Mapping[Model, datetime]
    """When the last good sync of each model ended; of many practices, of that whose last one is the longest ago. A
    model without one isn't there."""
    stored: Mapping[Model, int]
    """The rows of each model after the last sync, of many practices those of all."""
    practices: int | None = None
    """How many practices are live; None if there aren't many."""
    stale: int | None = None
    """How many of them have no good sync of any model since the time that was asked about."""


class PoolUse(msgspec.Struct, frozen=True):
    """The connections of one pool."""

    name: str
    in_use: int
    maximum: int
