"""The rows of a snapshot as they are moved from its reader to storage: many at once, by column."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic

import msgspec

from paymentagg.domain.changes import Rejection
from paymentagg.domain.model import RecordT

Columns = tuple[Sequence[Any], ...]
"""Rows by column: the first values of all columns are the first row. All columns have the same length."""


class Batch(msgspec.Struct, Generic[RecordT], frozen=True, gc=False):
    """Consecutive rows of a snapshot: the valid ones by column, as storage takes them fastest; the rejected ones.

    There is a column for each field of the record, in the order and form of its ``texts``: a list of texts, with None
    for an absent value; dates as ``YYYY-MM-DD``, amounts in whole cents. It is as long as ``numbers``.
    """

    record: type[RecordT]
    numbers: range | list[int]
    """The row numbers of the valid rows, in order."""
    columns: Columns
    rejections: list[Rejection]

    @classmethod
    def of(
        cls,
        record: type[RecordT],
        numbers: range | list[int],
        records: Iterable[RecordT],
        rejections: list[Rejection],
    ) -> "Batch[RecordT]":
        """Return a batch of these records and rejections."""
        return cls(record, numbers, tuple(zip(*(each.texts() for each in records), strict=True)), rejections)

    @property
    def records(self) -> list[RecordT]:
        """The valid rows as records; slow for many."""
        return list(map(self.record.of_texts, *self.columns)) if self.columns else []
