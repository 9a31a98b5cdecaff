"""The deletion guard: how many rows one snapshot may delete."""

import re
from decimal import Decimal

import msgspec

from paymentagg.domain.errors import DeletionRefused, Loss

_LIMIT = re.compile(r"([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]{1,4})?)%")


class DeletionLimit(msgspec.Struct, frozen=True):
    """A number of rows, or a percentage of the stored rows; deleting up to ``floor`` rows is always allowed."""

    rows: int | None = None
    percent: Decimal | None = None
    floor: int = 0

    @classmethod
    def parse(cls, text: str, *, floor: int = 0) -> "DeletionLimit":
        """Return the limit written as a count (``3000``) or a percentage (``12.5%``).

        Raises:
            ValueError: the text is neither a count nor a percentage from 0 to 100.
        """
        match = _LIMIT.fullmatch(text)
        if match and match[1]:
            return cls(rows=int(match[1]), floor=floor)
        if match and Decimal(match[2]) <= 100:
            return cls(percent=Decimal(match[2]), floor=floor)
        raise ValueError("must be a count such as 3000 or a percentage such as 50%")

    def __str__(self) -> str:
        """Return the limit in words, for messages."""
        if self.percent is None:
            return f"{self.allowed(0)} rows"
        return f"{self.percent}%, or {self.floor} rows if that is more" if self.floor else f"{self.percent}%"

    def exceeds(self, other: "DeletionLimit") -> bool:
        """Return whether this limit allows more deletions than the other for any number of stored rows.

        The number stored now doesn't count, so the same request always gets the same answer. A count above the floor
        of a percentage exceeds it: in a small store it allows all rows. A percentage above 0 exceeds every count: in a
        large store it allows more. Nothing exceeds 100%.
        """
        if other.percent == 100:
            return False
        rows, percent = max(self.rows or 0, self.floor), self.percent or 0
        return rows > max(other.rows or 0, other.floor) or percent > (other.percent or 0)

    def allowed(self, stored: int) -> int:
        """Return how many of the stored rows may be deleted; a percentage is rounded down to whole rows."""
        share = self.rows if self.percent is None else int(stored * self.percent / 100)
        return max(share or 0, self.floor)

    def check(self, *losses: Loss) -> None:
        """Check what a sync would delete: one loss for each model that loses rows.

        Raises:
            DeletionRefused: it is more than allowed, of some model.
        """
        for loss in losses:
            allowed = self.allowed(loss.stored)
            if loss.would_delete > allowed:
                share = None if self.percent is None or allowed == self.floor else f"{self.percent}%"
                raise DeletionRefused(losses, loss, limit=allowed, share=share)
