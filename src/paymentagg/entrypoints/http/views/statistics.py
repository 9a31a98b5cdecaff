"""The views of figures."""

from datetime import UTC, datetime, timedelta

import msgspec
from pyramid.response import Response

from paymentagg.entrypoints.http.parameters.queries import days_query, histogram_query, no_filters
from paymentagg.entrypoints.http.request import Request
from paymentagg.entrypoints.http.responses import JSON, accepted, listed, only, unmodified


def get_figures(request: Request) -> Response:
    """Return figures of all patients and payments."""
    accepted(request, JSON)
    no_filters(request.query_string)
    return unmodified(request, JSON, request.statistics.version) or only(request, request.statistics.figures())


def get_histogram(request: Request) -> Response:
    """Return the histogram of the patients' totals as an array of bins."""
    accepted(request, JSON)
    query = histogram_query(request.query_string)
    return unmodified(request, JSON) or listed(request, request.statistics.histogram(query))


def get_sync_days(request: Request) -> Response:
    """Return the days on which syncs were done, as an array."""
    accepted(request, JSON)
    days = days_query(request.query_string)
    today = datetime.now(UTC).date()

    def of_today(version: str) -> str:
        return f"{version} {today}"

    if unchanged := unmodified(request, JSON, lambda: of_today(request.statistics.version())):
        return unchanged
    page = request.statistics.days(today - timedelta(days - 1))
    return listed(request, msgspec.structs.replace(page, version=of_today(page.version)))
