"""The figures in memory."""

from collections import defaultdict
from datetime import UTC, date

import msgspec
from typing_extensions import override

from paymentagg.adapters.memory.storage import MemoryStorage
from paymentagg.domain.model import Model
from paymentagg.domain.money import to_cents
from paymentagg.domain.ports import StatisticsRepository
from paymentagg.domain.queries import Page, PatientQuery
from paymentagg.domain.report import ModelReport, Report
from paymentagg.domain.statistics import Bin, Bounds, Counts, Figures, HistogramQuery, SyncDay, SyncFigures, Totals


class MemoryStatistics(StatisticsRepository):
    """The figures of a storage."""

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage

    @override
    def version(self) -> str:
        return str(len(self._storage.state.syncs))

    @override
    def figures(self) -> Page[Figures]:
        state = self._storage.state
        views = state.patient_views(PatientQuery())
        totals = sorted(to_cents(view.payment_total) for view in views)
        half = len(totals) // 2
        known = Totals(
            patients=len(totals),
            payments=len(state.payments.rows),
            cents=sum(totals),
            without_payments=sum(view.payment_count == 0 for view in views),
            largest=max(totals, default=None),
            smallest=min(totals, default=None),
            middle=sum(totals[half - 1 + len(totals) % 2 : half + 1]) if totals else 0,
        )
        finished = state.syncs[-1].finished_at if state.syncs else None
        return Page([known.figures(finished)], more=False, version=str(len(state.syncs)))

    @override
    def histogram(self, query: HistogramQuery) -> Page[Bin]:
        state = self._storage.state
        totals = [to_cents(view.payment_total) for view in state.patient_views(PatientQuery(query.total))]
        if not totals:
            return Page([], more=False, version=state.version)
        bounds = Bounds.around(min(totals), max(totals), query.bins)
        inside: dict[int, list[int]] = defaultdict(list)
        for total in totals:
            place = min((total - bounds.start) // bounds.step, (bounds.end - bounds.start) // bounds.step - 1)
            inside[bounds.start + place * bounds.step].append(total)
        bins = bounds.bins({start: (len(found), sum(found)) for start, found in inside.items()})
        return Page(bins, more=False, version=state.version)

    @override
    def days(self, first: date) -> Page[SyncDay]:
        state = self._storage.state
        by_day: dict[date, list[Report]] = defaultdict(list)
        for report in state.syncs:
            by_day[report.finished_at.astimezone(UTC).date()].append(report)
        days = [
            SyncDay(
                day,
                len(reports),
                _counts(Model.PATIENT, reports),
                _counts(Model.PAYMENT, reports),
                state.after[reports[-1].id or 0],
            )
            for day, reports in sorted(by_day.items())
            if day >= first
        ]
        return Page(days, more=False, version=str(len(state.syncs)))

    @override
    def latest(self, count: int, *, by: str | None = None) -> Page[SyncFigures]:
        state = self._storage.state
        syncs = state.syncs_of(by)
        found = [
            SyncFigures(
                report.id or 0,
                report.finished_at,
                _counts(Model.PATIENT, [report]),
                _counts(Model.PAYMENT, [report]),
                state.after[report.id or 0],
                None if report.undoes is msgspec.UNSET else report.undoes,
            )
            for report in syncs[::-1][:count]
        ]
        return Page(found, more=len(syncs) > count, version=str(len(state.syncs)))


def _counts(model: Model, reports: list[Report]) -> Counts:
    parts = [report.models.get(model, ModelReport()) for report in reports]
    return Counts(
        sum(part.created for part in parts),
        sum(part.updated for part in parts),
        sum(part.deleted for part in parts),
        sum(part.rejected for part in parts),
    )
