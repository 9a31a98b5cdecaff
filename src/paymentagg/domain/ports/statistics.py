"""The figures of the stored data and of past syncs."""

from datetime import date
from typing import Protocol

from paymentagg.domain.queries import Page
from paymentagg.domain.statistics import Bin, Figures, HistogramQuery, SyncDay, SyncFigures


class StatisticsRepository(Protocol):
    """Figures, each computed from one state."""

    def version(self) -> str:
        """Return the version of the record of syncs; every sync that is done changes it."""

    def figures(self) -> Page[Figures]:
        """Return a page with only the figures of all data; its version is that of the record."""

    def histogram(self, query: HistogramQuery) -> Page[Bin]:
        """Return the bins of the patients' totals, none if there are no patients; the version is that of the data."""

    def days(self, first: date) -> Page[SyncDay]:
        """Return the days, from ``first`` on and in order, on which a sync was done; the version is the record's."""

    def latest(self, count: int, *, by: str | None = None) -> Page[SyncFigures]:
        """Return the last ``count`` syncs, or those of the API key ``by``, newest first; the version: the record's."""
