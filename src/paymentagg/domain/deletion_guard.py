"""The guard: how many rows one snapshot may delete."""

import re
from decimal import Decimal

import msgspec

from paymentagg.domain.errors import DeletionRefused
from paymentagg.domain.model import Model

_LIMIT = re.compile(r"([0-9]{1,12})|([0-9]{1,3}(?:\.[0-9]{1,4})?)%")


class DeletionLimit(msgspec.Struct, frozen=True):
    """A count of rows, or a percentage of the stored ones of which ``floor`` rows are allowed always."""

    rows: int | None = None
    percent: Decimal | None = None
    floor: int = 0

    @classmethod
    def parse(cls, text: str, *, floor: int = 0) -> "DeletionLimit":
        """Return the limit that ``3000`` or ``12.5%`` stands for.

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
        if self.percent is None:
            return f"{self.allowed(0)} rows"
        return f"{self.percent}%, and always {self.floor} rows" if self.floor else f"{self.percent}%"

    def exceeds(self, other: "DeletionLimit") -> bool:
        """Return whether there is any number of stored rows of which this allows more than the other.

        So a count is above a percentage where it is above its floor (of a small store it would allow all), and a
        percentage above every count (of a large one it allows more); only 100% can't be exceeded.
        """
        if other.percent == 100:
            return False
        rows, percent = max(self.rows or 0, self.floor), self.percent or 0
        return rows > max(other.rows or 0, other.floor) or percent > (other.percent or 0)

    def allowed(self, stored: int) -> int:
        """Return how many of the stored rows may go."""
        share = self.rows if self.percent is None else int(stored * self.percent / 100)
        return max(share or 0, self.floor)

    def check(self, model: Model, *, stored: int, would_delete: int) -> None:
        """Refuse to delete more rows than allowed.

        Raises:
            DeletionRefused: it would.
        """
        allowed = self.allowed(stored)
        if would_delete > allowed:
            raise DeletionRefused(model, stored=stored, would_delete=would_delete, limit=allowed)
