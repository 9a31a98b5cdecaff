"""Figures and histograms, kept in this process until the next sync, since only syncs change them."""

from paymentagg.domain.statistics import Bin, Figures, HistogramQuery
from paymentagg.entrypoints.http.request import Request


class KeptFigures:
    """The figures of one version of the record of syncs, by practice.

    They are never older ones, but maybe those of a sync done meanwhile.
    """

    def __init__(self) -> None:
        self._figures: dict[str | None, tuple[str, Figures]] = {}
        self._bins: dict[tuple[str | None, int], tuple[str, list[Bin]]] = {}

    def figures(self, request: Request, version: str) -> Figures:
        """Return the figures of all data, read again if they are those of another version of the record."""
        kept = self._figures.get(request.practice)
        if kept is None or kept[0] != version:
            kept = self._figures[request.practice] = (version, request.statistics.figures().items[0])
        return kept[1]

    def bins(self, request: Request, version: str, number: int) -> list[Bin]:
        """Return at most so many bins of all patients' totals, read again like the figures."""
        kept = self._bins.get((request.practice, number))
        if kept is None or kept[0] != version:
            kept = self._bins[request.practice, number] = (
                version,
                request.statistics.histogram(HistogramQuery(number)).items,
            )
        return kept[1]
