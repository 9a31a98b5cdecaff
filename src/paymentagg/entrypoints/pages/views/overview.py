"""The first page: figures of everything, the latest syncs, and the patients by total."""

from pyramid.response import Response

from paymentagg.domain.money import AmountRange
from paymentagg.entrypoints.http.parameters.queries import no_parameters
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.pages.charts import SYNCS, bins_chart, last_total, rejected, rejected_chart, sums_chart
from paymentagg.entrypoints.pages.page import page
from paymentagg.entrypoints.pages.shared import shared

BINS = 24


def show_overview(request: Request) -> Response:
    """Show the figures."""
    no_parameters(request.query_string)
    latest = request.statistics.latest(SYNCS)
    syncs = latest.items[::-1]
    kept = shared(request).kept
    bins = kept.bins(request, latest.version, BINS)
    return page(
        request,
        "overview.jinja2",
        figures=kept.figures(request, latest.version),
        syncs=syncs,
        sums=sums_chart(syncs),
        rejections=rejected_chart(syncs),
        rejected=rejected,
        bins=bins,
        totals=bins_chart(bins, AmountRange()),
        last_total=last_total,
        last_sync=latest.items[0] if latest.items else None,
    )
